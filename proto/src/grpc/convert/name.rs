use crate::domain::{AdapterKind, Name, ResourceKind};

use super::{Path, Problems};

/// `lans/prod`
pub fn resource_name(kind: ResourceKind, name: &Name) -> String {
    format!("{}/{name}", kind.collection())
}

/// The resource name of what is referred to, or nothing.
pub fn reference(kind: ResourceKind, name: Option<&Name>) -> String {
    name.map(|name| resource_name(kind, name)).unwrap_or_default()
}

/// `profiles/web-1/vnics/eth0`
pub fn adapter_name(profile: &Name, kind: AdapterKind, adapter: &Name) -> String {
    let profile = resource_name(ResourceKind::Profile, profile);
    format!("{profile}/{}/{adapter}", adapter_collection(kind))
}

fn adapter_collection(kind: AdapterKind) -> &'static str {
    match kind {
        AdapterKind::Vnic => "vnics",
        AdapterKind::Vhba => "vhbas",
    }
}

/// One segment of a resource name.
pub fn parse_name(text: &str, at: &Path<'_>, problems: &mut Problems) -> Option<Name> {
    problems.check(at, Name::new(text))
}

/// Reads `lans/prod` where a LAN is expected.
pub fn parse_reference(kind: ResourceKind, text: &str, at: &Path<'_>, problems: &mut Problems) -> Option<Name> {
    let collection = kind.collection();
    match text.strip_prefix(collection).and_then(|rest| rest.strip_prefix('/')) {
        Some(name) => parse_name(name, at, problems),
        None => {
            let got = if text.is_empty() { "nothing".to_owned() } else { format!("{text:?}") };
            problems.add(at, format!("expected the name of a {}, as \"{collection}/…\", got {got}", kind.noun()));
            None
        }
    }
}

/// The same where the field may be empty. The outer None means a problem.
pub fn parse_optional_reference(
    kind: ResourceKind,
    text: &str,
    at: &Path<'_>,
    problems: &mut Problems,
) -> Option<Option<Name>> {
    if text.is_empty() {
        return Some(None);
    }
    parse_reference(kind, text, at, problems).map(Some)
}

/// Reads `profiles/web-1/vnics/eth0` into the profile's name and the adapter's.
pub fn parse_adapter(kind: AdapterKind, text: &str, at: &Path<'_>, problems: &mut Problems) -> Option<(Name, Name)> {
    let collection = adapter_collection(kind);
    let segments: Vec<&str> = text.split('/').collect();
    match segments[..] {
        ["profiles", profile, found, adapter] if found == collection => {
            Some((parse_name(profile, at, problems)?, parse_name(adapter, at, problems)?))
        }
        _ => {
            problems.add(at, format!("expected \"profiles/…/{collection}/…\", got {text:?}"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem<T: std::fmt::Debug + PartialEq>(read: impl Fn(&Path<'_>, &mut Problems) -> Option<T>) -> String {
        let mut problems = Problems::default();
        let value = read(&Path::Root("lan"), &mut problems);
        assert_eq!(value, None);
        problems.finish(value).unwrap_err()[0].problem.clone()
    }

    #[test]
    fn references_name_their_collection() {
        let mut problems = Problems::default();
        let at = Path::Root("lan");
        let name = parse_reference(ResourceKind::Lan, "lans/prod", &at, &mut problems).unwrap();
        assert_eq!(resource_name(ResourceKind::Lan, &name), "lans/prod");
        assert_eq!(parse_optional_reference(ResourceKind::Lan, "", &at, &mut problems), Some(None));
        assert!(problems.finish(Some(())).is_ok());
    }

    #[test]
    fn what_is_no_reference_is_told_what_one_looks_like() {
        for bad in ["prod", "sans/prod", "lansprod", "/lans/prod", ""] {
            let said = problem(|at, problems| parse_reference(ResourceKind::Lan, bad, at, problems));
            assert!(said.contains("\"lans/…\""), "{said}");
        }
        let said = problem(|at, problems| parse_reference(ResourceKind::Lan, "lans/prod/x", at, problems));
        assert!(said.contains("'/'"), "{said}");
    }

    #[test]
    fn adapters_are_below_their_profile() {
        let mut problems = Problems::default();
        let at = Path::Root("name");
        let text = "profiles/web-1/vnics/eth0";
        let (profile, vnic) = parse_adapter(AdapterKind::Vnic, text, &at, &mut problems).unwrap();
        assert_eq!(adapter_name(&profile, AdapterKind::Vnic, &vnic), text);
        for bad in ["profiles/web-1", "profiles/web-1/vhbas/hba0", "profiles/web-1/vnics/eth0/x", "eth0", ""] {
            let said = problem(|at, problems| parse_adapter(AdapterKind::Vnic, bad, at, problems));
            assert!(said.contains("profiles/…/vnics/…"), "{said}");
        }
    }
}
