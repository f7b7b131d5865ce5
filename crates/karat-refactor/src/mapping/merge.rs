//! The three-way merge of people's edits to a mapping: what was handed out, what came back, what was made anew since.
