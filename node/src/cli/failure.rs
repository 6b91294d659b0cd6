//! What went wrong, in words.

use std::process::ExitCode;

use tonic::{Code, Status};
use tonic_types::StatusExt;
use twinrail_proto::grpc::v1;

use super::endpoints::NoAnswer;
use super::session::{PAGE_SIZE, Session, list_all};
use super::text::short;

#[derive(Debug)]
pub enum Failure {
    /// The command line was wrong in a way that only we can see.
    Usage(String),
    Unreachable(NoAnswer),
    /// A director refused, or the call failed on its way.
    Refused(Box<Status>),
    /// The change is committed, but what should follow from it did not within the time.
    NotInForce(String),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        match NoAnswer::of(&status) {
            Some(none) => Self::Unreachable(none.clone()),
            None => Self::Refused(Box::new(status)),
        }
    }
}

/// How alike two names must be (Jaro-Winkler, 0 to 1) for one to be suggested for the other.
const ALIKE: f64 = 0.8;

impl Failure {
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Unreachable(_) | Self::Refused(_) => 1,
            Self::NotInForce(_) => 3,
        })
    }

    /// The text for standard error. Asks the director once more to find what was probably meant.
    pub async fn explain(&self, session: &Session) -> String {
        let again = session.may_have_changed().then(|| session.request_id());
        match self {
            Self::Usage(problem) | Self::NotInForce(problem) => format!("error: {problem}"),
            Self::Unreachable(none) => unreachable(none, again),
            Self::Refused(status) => {
                let meant = match missing(status) {
                    Some(resource) => suggest(session, &resource).await,
                    _ => None,
                };
                refused(status, meant.as_deref(), session.endpoint(), again)
            }
        }
    }
}

/// `again` is the request id of a change: it is told where nobody knows whether the change was made.
fn unreachable(none: &NoAnswer, again: Option<&str>) -> String {
    let NoAnswer { tried, sent } = none;
    let lines: Vec<String> = tried.iter().map(|(endpoint, reason)| format!("  {endpoint}: {reason}")).collect();
    let hint = "name a director's API by --endpoint or TWINRAIL_ENDPOINT";
    let again = again.filter(|_| *sent).map(repeat).unwrap_or_default();
    format!("error: no director can be reached; tried\n{}\n{hint}{again}", lines.join("\n"))
}

fn repeat(request_id: &str) -> String {
    format!("\nthe change may or may not have been made: send it again safely with --request-id {request_id}")
}

fn refused(status: &Status, meant: Option<&str>, endpoint: &str, again: Option<&str>) -> String {
    let details = status.get_error_details();
    let violations = details.bad_request().map(|it| it.field_violations.as_slice()).unwrap_or_default();
    if violations.len() > 1 {
        let lines: Vec<String> = violations.iter().map(|it| format!("  {}: {}", it.field, it.description)).collect();
        return format!("error: {} fields are wrong\n{}", lines.len(), lines.join("\n"));
    }
    let message = if status.message().is_empty() { status.code().description() } else { status.message() };
    let meant = meant.map(|meant| format!("; did you mean '{meant}'?")).unwrap_or_default();
    let again = again.map(repeat).unwrap_or_default();
    match (details.error_info().is_some(), status.code()) {
        // Not from our handlers: the way there failed, or nobody there knows what we want.
        (false, _) => format!("error: the call to {endpoint} failed: {message}{again}"),
        (true, Code::DeadlineExceeded) => format!("error: {message}{again}"),
        (true, _) => format!("error: {message}{meant}"),
    }
}

/// The resource that does not exist, by its resource name.
fn missing(status: &Status) -> Option<String> {
    if status.code() != Code::NotFound {
        return None;
    }
    status.get_details_error_info()?.metadata.remove("resource")
}

async fn suggest(session: &Session, resource: &str) -> Option<String> {
    let names = names_beside(session, resource).await.ok()?;
    let names: Vec<String> = names.iter().map(|name| short(name)).collect();
    closest(&short(resource), &names)
}

fn closest(wanted: &str, names: &[String]) -> Option<String> {
    let scored = names.iter().map(|name| (strsim::jaro_winkler(wanted, name), name));
    let best = scored.filter(|(score, _)| *score >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, name)| name.clone())
}

/// The names of all resources of the same collection.
async fn names_beside(session: &Session, resource: &str) -> Result<Vec<String>, Status> {
    macro_rules! names {
        ($client:ident.$method:ident($request:ident { $($more:ident),* }), $field:ident) => {{
            let request = v1::$request { page_size: PAGE_SIZE, stale_ok: true, $($more,)* ..Default::default() };
            let items = list_all!(session, $client.$method(request), $field);
            Ok(items.into_iter().map(|item| item.name).collect())
        }};
    }
    match resource.split('/').collect::<Vec<_>>()[..] {
        ["directors", _] => names!(directors.list_directors(ListDirectorsRequest {}), directors),
        ["servers", _] => names!(servers.list_servers(ListServersRequest {}), servers),
        ["lans", _] => names!(lans.list_lans(ListLansRequest {}), lans),
        ["sans", _] => names!(sans.list_sans(ListSansRequest {}), sans),
        ["pools", _] => names!(pools.list_pools(ListPoolsRequest {}), pools),
        ["qosPolicies", _] => names!(qos_policies.list_qos_policies(ListQosPoliciesRequest {}), qos_policies),
        ["templates", _] => names!(templates.list_templates(ListTemplatesRequest {}), templates),
        ["profiles", _] => names!(profiles.list_profiles(ListProfilesRequest {}), profiles),
        ["failovers", _] => names!(failovers.list_failovers(ListFailoversRequest {}), failovers),
        ["profiles", profile, "vnics", _] => {
            let parent = format!("profiles/{profile}");
            names!(vnics.list_vnics(ListVnicsRequest { parent }), vnics)
        }
        ["profiles", profile, "vhbas", _] => {
            let parent = format!("profiles/{profile}");
            names!(vhbas.list_vhbas(ListVhbasRequest { parent }), vhbas)
        }
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use tonic_types::{ErrorDetails, FieldViolation};

    const ENDPOINT: &str = "http://a:7400";

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_alike_is_suggested_and_nothing_else() {
        let known = names(&["web-1", "web-12", "db-1", "mail"]);
        assert_eq!(closest("web1", &known).as_deref(), Some("web-1"));
        assert_eq!(closest("mial", &known).as_deref(), Some("mail"));
        assert_eq!(closest("zebra", &known), None);
        assert_eq!(closest("web1", &[]), None);
    }

    #[test]
    fn a_missing_resource_is_told_with_what_was_meant() {
        let metadata = HashMap::from([("resource".to_owned(), "profiles/web1".to_owned())]);
        let details = ErrorDetails::with_error_info("RESOURCE_NOT_FOUND", "twinrail.v1", metadata);
        let status = Status::with_error_details(Code::NotFound, "there is no profile 'web1'", details);
        assert_eq!(missing(&status).as_deref(), Some("profiles/web1"));
        assert_eq!(
            refused(&status, Some("web-1"), ENDPOINT, Some("4711")),
            "error: there is no profile 'web1'; did you mean 'web-1'?"
        );
    }

    #[test]
    fn wrong_fields_stand_one_on_a_line() {
        let violations = vec![FieldViolation::new("lan.a", "is wrong"), FieldViolation::new("lan.b", "too")];
        let status = Status::with_error_details(Code::InvalidArgument, "x", ErrorDetails::with_bad_request(violations));
        assert_eq!(
            refused(&status, None, ENDPOINT, Some("4711")),
            "error: 2 fields are wrong\n  lan.a: is wrong\n  lan.b: too"
        );
    }

    #[test]
    fn after_an_unknown_outcome_the_way_to_repeat_is_told() {
        let lost = Status::unavailable("connection reset");
        assert!(refused(&lost, None, ENDPOINT, Some("4711")).ends_with("--request-id 4711"));
        assert!(!refused(&lost, None, ENDPOINT, None).contains("request-id"), "a read can simply be repeated");
        let details = ErrorDetails::with_error_info("NO_LEADER", "twinrail.v1", HashMap::new());
        let refusal = Status::with_error_details(Code::Unavailable, "no leader", details);
        assert_eq!(refused(&refusal, None, ENDPOINT, Some("4711")), "error: no leader");
    }

    #[test]
    fn every_endpoint_that_was_tried_is_told() {
        let tried =
            vec![(ENDPOINT.to_owned(), "refused".to_owned()), ("http://b:7400".to_owned(), "no route".to_owned())];
        let unsent = NoAnswer { tried, sent: false };
        insta::assert_snapshot!(unreachable(&unsent, Some("4711")));
        let sent = NoAnswer { sent: true, ..unsent };
        assert!(unreachable(&sent, Some("4711")).ends_with("--request-id 4711"));
        assert!(!unreachable(&sent, None).contains("request-id"));
    }
}
