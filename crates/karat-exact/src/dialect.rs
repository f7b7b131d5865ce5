//! The SQL that is understood: DataFusion's general dialect, functions of elements (`x -> x + 1`), `order by all`, and types of structs
//! in round brackets, numbers like `1_000` and `0x1F`.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::chains;
use crate::error::{SqlError, SqlErrorKind};
use crate::slips::read_numbers;

/// Nesting of expressions and queries that is still parsed.
pub(crate) const DEPTH: usize = 200;

/// The dialect of all queries.
#[derive(Debug)]
pub(crate) struct Understood;

/// What the general dialect answers.
macro_rules! as_generic {
    ($($question:ident)*) => {
        $(
            fn $question(&self) -> bool {
                GenericDialect {}.$question()
            }
        )*
    };
}

impl Dialect for Understood {
    // The parser asks for it by type in places.
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_delimited_identifier_start(&self, letter: char) -> bool {
        GenericDialect {}.is_delimited_identifier_start(letter)
    }

    fn is_identifier_start(&self, letter: char) -> bool {
        GenericDialect {}.is_identifier_start(letter)
    }

    fn is_identifier_part(&self, letter: char) -> bool {
        GenericDialect {}.is_identifier_part(letter)
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }

    fn supports_order_by_all(&self) -> bool {
        true
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        true
    }

    as_generic! {
        supports_unicode_string_literal
        supports_partition_by_after_order_by
        supports_array_join_syntax
        supports_group_by_expr
        supports_group_by_with_modifier
        supports_left_associative_joins_without_parens
        supports_connect_by
        supports_match_recognize
        supports_pipe_operator
        supports_start_transaction_modifier
        supports_window_function_null_treatment_arg
        supports_dictionary_syntax
        supports_window_clause_named_window_reference
        supports_parenthesized_set_variables
        supports_select_wildcard_except
        support_map_literal_syntax
        allow_extract_custom
        allow_extract_single_quotes
        supports_extract_comma_syntax
        supports_create_view_comment_syntax
        supports_parens_around_table_factor
        supports_values_as_table_factor
        supports_create_index_with_clause
        supports_explain_with_utility_options
        supports_limit_comma
        supports_update_order_by
        supports_from_first_select
        supports_projection_trailing_commas
        supports_asc_desc_in_column_definition
        supports_try_convert
        supports_bitwise_shift_operators
        supports_comment_on
        supports_load_extension
        supports_named_fn_args_with_assignment_operator
        supports_struct_literal
        supports_empty_projections
        supports_nested_comments
        supports_multiline_comment_hints
        supports_user_host_grantee
        supports_string_escape_constant
        supports_array_typedef_with_brackets
        supports_match_against
        supports_set_names
        supports_comma_separated_set_assignments
        supports_filter_during_aggregation
        supports_select_wildcard_exclude
        supports_data_type_signed_suffix
        supports_interval_options
        supports_quote_delimited_string
        supports_select_wildcard_replace
        supports_select_wildcard_ilike
        supports_select_wildcard_rename
        supports_optimize_table
        supports_install
        supports_detach
        supports_prewhere
        supports_with_fill
        supports_limit_by
        supports_interpolate
        supports_settings
        supports_select_format
        supports_comment_optimizer_hint
        supports_constraint_keyword_without_name
        supports_key_column_option
        supports_comma_separated_trim
        supports_cte_without_as
        supports_select_item_multi_column_alias
        supports_xml_expressions
    }
}

/// The statements of a text as a query is read; what does not parse is an error.
pub(crate) fn statements(sql: &str) -> Option<Vec<Statement>> {
    let parser = Parser::new(&Understood).with_tokens_with_locations(tokens(sql).ok()?);
    parser.with_recursion_limit(DEPTH).parse_statements().ok()
}

/// The tokens of a text, names folded to lower case, quoted or not (F3).
pub(crate) fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, SqlError> {
    let mut tokens = Tokenizer::new(&Understood, sql)
        .tokenize_with_location()
        .map_err(|error| SqlError {
            message: lower_first(&error.message),
            line: Some(error.location.line),
            column: Some(error.location.column),
            hint: None,
            kind: SqlErrorKind::Syntax,
        })?;
    for token in &mut tokens {
        if let Token::Word(word) = &mut token.token
            && word.quote_style.is_some()
        {
            word.value = word.value.to_lowercase();
            word.keyword = Keyword::NoKeyword;
        }
    }
    chains::refuse_long(&tokens)?;
    read_numbers(&mut tokens, sql)?;
    with_struct_types(&mut tokens);
    Ok(tokens)
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// The tokens with `struct(a integer)`, where it is a type, written with angle brackets, as the parser of this dialect knows it.
fn with_struct_types(tokens: &mut [TokenWithSpan]) {
    // For each open bracket whether it is one of a struct's type.
    let mut open: Vec<bool> = Vec::new();
    let (mut names_type, mut is_struct) = (false, false);
    for token in tokens {
        let of_type = open.last().copied().unwrap_or(false);
        let (names, structure) = match &token.token {
            Token::Whitespace(_) => continue,
            Token::Word(word) if word.quote_style.is_none() => (
                word.keyword == Keyword::AS,
                word.keyword == Keyword::STRUCT && (names_type || of_type),
            ),
            Token::DoubleColon => (true, false),
            Token::LParen => {
                open.push(is_struct);
                if is_struct {
                    token.token = Token::Lt;
                }
                (false, false)
            }
            Token::RParen => {
                if open.pop() == Some(true) {
                    token.token = Token::Gt;
                }
                (false, false)
            }
            _ => (false, false),
        };
        (names_type, is_struct) = (names, structure);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text that the general dialect takes means the same here.
    #[test]
    fn what_the_general_dialect_takes_is_taken() {
        let texts = [
            "select a, b -> 1 from t limit 1, 2",
            "select * exclude (a) from t group by all",
            "select interval 1 day, {'a': 1}, map {'a': 1}, [1, 2][1]",
            "from t select a",
            "select a from t qualify row_number() over (order by a) = 1",
            "select f(a => 1), e'\\n' from values (1), (2)",
        ];
        for text in texts {
            let general = Parser::parse_sql(&GenericDialect {}, text);
            let ours = Parser::parse_sql(&Understood, text);
            if text.contains("->") {
                assert_ne!(ours, general, "{text}");
            } else {
                assert_eq!(ours, general, "{text}");
            }
            assert!(ours.is_ok(), "{text}: {ours:?}");
        }
    }
}
