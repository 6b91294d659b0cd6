//! What a command changes, in words: one line for each field of each resource, before and after.

mod fields;
mod parts;

use std::collections::BTreeMap;

use twinrail_proto::domain::Name;

use super::kept::Kept;
use super::outcome::{Change, Effect};
use fields::Field;
pub(super) use parts::{Parts, Value};

/// A part's place within its resource: its collection and name; `("", None)` is the resource itself.
type Place<'a> = (&'static str, Option<&'a Name>);

/// Compares two versions of one resource; None: not there.
pub(super) fn effects_of<T: Kept>(before: Option<&T>, after: Option<&T>) -> Vec<Effect> {
    let Some(name) = before.or(after).map(Kept::name) else { return Vec::new() };
    let root = T::key(name).to_string();
    let mut places: BTreeMap<Place<'_>, (Option<Value<'_>>, Option<Value<'_>>)> = BTreeMap::new();
    for part in before.into_iter().flat_map(Parts::parts) {
        places.entry((part.collection, part.name)).or_default().0 = Some(part.value);
    }
    for part in after.into_iter().flat_map(Parts::parts) {
        places.entry((part.collection, part.name)).or_default().1 = Some(part.value);
    }
    let changed = places.into_iter().filter(|(_, (before, after))| before != after);
    changed.flat_map(|(place, (before, after))| compare(path(&root, place), before, after)).collect()
}

fn path(root: &str, place: Place<'_>) -> String {
    match place {
        (collection, Some(name)) => format!("{root}/{collection}/{name}"),
        (_, None) => root.to_owned(),
    }
}

fn compare(resource: String, before: Option<Value<'_>>, after: Option<Value<'_>>) -> Vec<Effect> {
    let change = match (&before, &after) {
        (None, _) => Change::Created,
        (Some(_), Some(_)) => Change::Updated,
        (Some(_), None) => Change::Deleted,
    };
    let mut old: Vec<Field> = before.map(Value::fields).unwrap_or_default();
    let new: Vec<Field> = after.map(Value::fields).unwrap_or_default();
    let effect = |field, before, after| Effect { resource: resource.clone(), change, field, before, after };
    let mut effects = Vec::new();
    for (field, value) in new {
        let position = old.iter().position(|(name, _)| *name == field);
        let was = position.map(|position| old.remove(position).1);
        if was.as_ref() != Some(&value) {
            effects.push(effect(Some(field.into_owned()), was, Some(value)));
        }
    }
    effects.extend(old.into_iter().map(|(field, value)| effect(Some(field.into_owned()), Some(value), None)));
    if effects.is_empty() && change != Change::Updated {
        effects.push(effect(None, None, None));
    }
    effects
}

#[cfg(test)]
mod tests {
    use twinrail_proto::domain::Lan;

    use super::*;

    fn lan(uplinks: &[(&str, &str)]) -> Lan {
        let uplinks = uplinks.iter().map(|(director, port)| (director.parse().unwrap(), (*port).to_owned())).collect();
        Lan { name: "prod".parse().unwrap(), uplinks }
    }

    fn effect(change: Change, field: Option<&str>, before: Option<&str>, after: Option<&str>) -> Effect {
        let text = |value: Option<&str>| value.map(str::to_owned);
        Effect { resource: "lans/prod".into(), change, field: text(field), before: text(before), after: text(after) }
    }

    #[test]
    fn each_changed_field_is_one_line() {
        let before = lan(&[("d1", "lan0"), ("d2", "lan0"), ("d3", "lan0")]);
        let after = lan(&[("d1", "lan0"), ("d2", "lan1"), ("d4", "lan0")]);
        let expected = [
            effect(Change::Updated, Some("uplinks[d2]"), Some("lan0"), Some("lan1")),
            effect(Change::Updated, Some("uplinks[d4]"), None, Some("lan0")),
            effect(Change::Updated, Some("uplinks[d3]"), Some("lan0"), None),
        ];
        assert_eq!(effects_of(Some(&before), Some(&after)), expected);
    }

    #[test]
    fn what_has_no_fields_is_still_told() {
        assert_eq!(effects_of(None, Some(&lan(&[]))), [effect(Change::Created, None, None, None)]);
        assert_eq!(effects_of(Some(&lan(&[])), None), [effect(Change::Deleted, None, None, None)]);
        assert_eq!(effects_of(Some(&lan(&[])), Some(&lan(&[]))), []);
    }
}
