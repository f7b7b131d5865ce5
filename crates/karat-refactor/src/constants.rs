//! Texts that fill a part of names elsewhere: a schema in a constant, a whole name in a configuration that other notebooks `%run`.
//!
//! Such a text may change if and only if every name that it makes, in every notebook that reads it, then means what the mapping says, and
//! nothing else is done with it. What one asset does with its texts, and with those that it was lent, is told by its front ends; whether
//! all of them agree is decided here, for the whole estate. What the languages see is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::edit::Edit;

/// A text by the asset that it stands in and the first byte between its quotes.
pub type Place = (Arc<str>, usize);

/// What one asset does with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant {
    /// Where it stands: in this asset or another one.
    pub place: Place,
    /// The variable that holds it, if it stands in this asset.
    pub name: Option<String>,
    /// The text.
    pub old: String,
    /// What names here would have it be.
    pub news: BTreeSet<String>,
    /// Why it must not change for the sake of a part of a name.
    pub obstacle: Option<String>,
    /// Why it must not change even where it is a name by itself.
    pub fixed: Option<String>,
    /// Whether it is a name by itself here, and changes as such.
    pub is_name: bool,
    /// Whether anything is done with it here.
    pub used: bool,
    /// Whether it stands in this asset, and a name can be written there.
    pub can_be_written: bool,
}

/// A name that is made of such texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The texts.
    pub of: Vec<Place>,
    /// Whether it is right only if they change.
    pub needs_it: bool,
}

/// What one asset does with all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The texts.
    pub constants: Vec<Constant>,
    /// The names.
    pub made: Vec<Made>,
    /// Modules that it imports: a plain file of that name is read by more than its own code.
    pub imports: BTreeSet<String>,
}

/// How a name is made, for those who judge edits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeOf {
    /// The texts that it would have be others.
    pub constants: Vec<Place>,
    /// Whether they change, and it is right by that.
    pub settled: bool,
    /// The edits that would be right if they did not, if there are such.
    pub in_place: Option<Vec<Edit>>,
}

/// A text that a person must decide about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What names would have it be.
    pub news: BTreeSet<String>,
    /// Why it does not change.
    pub why: String,
}

/// What becomes of the texts of an estate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// Those that change, and into what.
    pub new: BTreeMap<Place, String>,
    /// Those that names need, and that do not change.
    pub refused: BTreeMap<Place, Refused>,
    /// Those that are names by themselves, and must not change because of what another asset does with them.
    pub kept: BTreeMap<Place, String>,
    /// Those that other assets make names of, and that stay.
    pub elsewhere: BTreeSet<Place>,
}

impl Decided {
    /// Whether nothing is decided.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty()
            && self.refused.is_empty()
            && self.kept.is_empty()
            && self.elsewhere.is_empty()
    }

    /// The assets whose verdicts are others by it.
    pub fn concerns(&self, asset: &str, told: &Told) -> bool {
        let of_asset = |place: &Place| place.0.as_ref() == asset;
        self.new.keys().any(of_asset)
            || self.refused.keys().any(of_asset)
            || self.kept.keys().any(of_asset)
            || self.elsewhere.iter().any(of_asset)
            || told
                .made
                .iter()
                .flat_map(|made| &made.of)
                .any(|place| self.new.contains_key(place) || self.refused.contains_key(place))
    }
}

/// What the estate knows about one text.
#[derive(Default)]
struct Known<'t> {
    old: &'t str,
    news: BTreeSet<&'t str>,
    obstacle: Option<String>,
    fixed: Option<String>,
    is_name: bool,
    can_be_written: bool,
    used_elsewhere: bool,
}

impl Known<'_> {
    fn changes(&self) -> bool {
        self.news.iter().any(|new| *new != self.old)
    }

    fn may_change(&self) -> bool {
        self.obstacle.is_none() && self.can_be_written && self.news.len() == 1 && self.changes()
    }

    fn why(&self) -> String {
        match &self.obstacle {
            Some(why) => why.clone(),
            None if self.news.len() > 1 => {
                "makes names that would have it be different texts".to_owned()
            }
            None => "is part of a name together with a text that cannot change".to_owned(),
        }
    }
}

/// Decides: `told` is what each asset tells, by its path; `obstacle` says what else speaks against a text of the first asset that the second
/// one uses. Texts in `banned` do not change.
pub fn decide(
    told: &[(&str, &Told)],
    obstacle: impl Fn(&str, &str) -> Option<String>,
    banned: &BTreeSet<Place>,
) -> Decided {
    let mut known: BTreeMap<&Place, Known<'_>> = BTreeMap::new();
    for (asset, told) in told {
        for constant in &told.constants {
            let own = constant.place.0.as_ref() == *asset;
            let known = known.entry(&constant.place).or_default();
            if own {
                known.old = &constant.old;
            }
            known.news.extend(constant.news.iter().map(String::as_str));
            known.is_name |= constant.is_name;
            known.can_be_written |= own && constant.can_be_written;
            known.used_elsewhere |= !own && constant.used;
            if known.obstacle.is_none() {
                known.obstacle = match &constant.obstacle {
                    Some(why) => Some(why.clone()),
                    None => obstacle(&constant.place.0, asset),
                };
            }
            if !own && known.fixed.is_none() {
                known.fixed.clone_from(&constant.fixed);
            }
        }
    }
    for (place, known) in &mut known {
        if banned.contains(place) {
            known.obstacle = Some("makes a name that is read in more than one way".to_owned());
        }
    }
    let made: Vec<&Made> = told.iter().flat_map(|(_, told)| &told.made).collect();
    let mut accepted: BTreeSet<&Place> = known
        .iter()
        .filter(|(_, known)| known.may_change())
        .map(|(place, _)| *place)
        .collect();
    // A text changes only if all names that it makes are right then, for which all their other texts must change too.
    loop {
        let stays = |place: &Place| known.get(place).is_none_or(|known| !known.changes());
        let wrong: Vec<&Place> = made
            .iter()
            .filter(|made| {
                let right = |place: &Place| accepted.contains(place) || stays(place);
                !made.of.iter().all(right)
            })
            .flat_map(|made| &made.of)
            .filter(|place| accepted.contains(place))
            .collect();
        if wrong.is_empty() {
            break;
        }
        for place in wrong {
            accepted.remove(place);
        }
    }
    // Of texts that hang together by names, all change or none; none if every name is right without.
    let mut needed: BTreeSet<&Place> = BTreeSet::new();
    loop {
        let before = needed.len();
        for made in &made {
            let is_name = |place: &Place| known.get(place).is_some_and(|known| known.is_name);
            if made.needs_it
                || made.of.iter().any(is_name)
                || made.of.iter().any(|place| needed.contains(place))
            {
                needed.extend(&made.of);
            }
        }
        if needed.len() == before {
            break;
        }
    }
    let mut decided = Decided::default();
    for (place, known) in &known {
        let place: &Place = place;
        let changes = accepted.contains(place) && needed.contains(place);
        if changes {
            let new = known.news.iter().next().copied().unwrap_or_default();
            decided.new.insert(place.clone(), new.to_owned());
            continue;
        }
        let reason = match &known.fixed {
            Some(why) => Some(why.clone()),
            None if known.used_elsewhere && known.changes() => {
                Some("is a part of a name in another notebook".to_owned())
            }
            None => None,
        };
        if known.is_name
            && let Some(why) = reason
        {
            decided.kept.insert(place.clone(), why);
        } else if needed.contains(place) && known.changes() && !known.is_name {
            let news = known.news.iter().map(|new| (*new).to_owned()).collect();
            let why = known.why();
            decided.refused.insert(place.clone(), Refused { news, why });
        } else if known.used_elsewhere && !known.is_name && !known.news.is_empty() {
            decided.elsewhere.insert(place.clone());
        }
    }
    decided
}
