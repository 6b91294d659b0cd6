//! Errors as `google.rpc.Status` with details: the only place where a [`tonic::Status`] is made.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};
use twinrail_proto::grpc::convert::{FieldError, clip};
use twinrail_raft_store::state::{Rejection, RejectionKind};

use crate::director::{CallError, WatchError};

/// `google.rpc.ErrorInfo.domain` of all our errors.
pub const DOMAIN: &str = "twinrail.v1";
/// Most octets of a message: it travels in a header, of which hyper takes 16 KiB in all. What is longer is cut.
const MAX_MESSAGE: usize = 1024;
/// When to call again after nobody led: elections take about a third of a second.
const RETRY_AFTER: Duration = Duration::from_millis(500);

pub fn of_call(error: CallError) -> Status {
    let message = error.to_string();
    match error {
        CallError::Rejected(rejection) => of_rejection(&rejection),
        CallError::NoLeader { .. } => {
            let mut details = info("NO_LEADER", None);
            details.set_retry_info(Some(RETRY_AFTER));
            status(Code::Unavailable, message, details)
        }
        CallError::DeadlineExceeded => status(Code::DeadlineExceeded, message, info("OUTCOME_UNKNOWN", None)),
        CallError::InvalidTarget(problem) => {
            let mut details = info("INVALID_TARGET", None);
            details.add_precondition_failure_violation("INVALID_TARGET", "", clip(problem, MAX_MESSAGE));
            status(Code::FailedPrecondition, message, details)
        }
        CallError::Storage(_) => status(Code::Internal, message, info("STORE_FAILED", None)),
    }
}

fn of_rejection(rejection: &Rejection) -> Status {
    let (message, reason, kind) = (clip(rejection.to_string(), MAX_MESSAGE), rejection.reason(), rejection.kind());
    let resource = rejection.resource();
    let mut details = info(reason, resource.as_deref());
    if let Some(field) = rejection.field() {
        details.add_bad_request_violation(field, problem_alone(&message, field));
    }
    if kind == RejectionKind::FailedPrecondition {
        details.add_precondition_failure_violation(reason, resource.unwrap_or_default(), message.clone());
    }
    status(code(kind), message, details)
}

/// Messages about a field start with its path; the violation has that already.
fn problem_alone<'a>(message: &'a str, field: &str) -> &'a str {
    message.strip_prefix(field).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(message)
}

fn code(kind: RejectionKind) -> Code {
    match kind {
        RejectionKind::NotFound => Code::NotFound,
        RejectionKind::AlreadyExists => Code::AlreadyExists,
        RejectionKind::InvalidArgument => Code::InvalidArgument,
        RejectionKind::FailedPrecondition => Code::FailedPrecondition,
        RejectionKind::Aborted => Code::Aborted,
        RejectionKind::ResourceExhausted => Code::ResourceExhausted,
        RejectionKind::PermissionDenied => Code::PermissionDenied,
    }
}

/// Bad fields of a request, found before the state was asked.
pub fn of_fields(errors: Vec<FieldError>) -> Status {
    let message = match errors.as_slice() {
        [] => "bad request".to_owned(),
        [only] => only.to_string(),
        [first, others @ ..] => format!("{first} (and {} more)", others.len()),
    };
    let mut details = info("INVALID_VALUE", None);
    let violation = |FieldError { field, problem }| FieldViolation::new(field, problem);
    details.set_bad_request(errors.into_iter().map(violation).collect::<Vec<_>>());
    status(Code::InvalidArgument, message, details)
}

/// `noun` in words, `resource` as a resource name.
pub fn not_found(noun: &str, name: &str, resource: &str) -> Status {
    status(Code::NotFound, format!("there is no {noun} '{name}'"), info("RESOURCE_NOT_FOUND", Some(resource)))
}

pub fn of_watch(error: WatchError) -> Status {
    let message = error.to_string();
    match error {
        WatchError::Compacted { oldest } => {
            let metadata = HashMap::from([("oldest_revision".to_owned(), oldest.to_string())]);
            status(Code::OutOfRange, message, ErrorDetails::with_error_info("COMPACTED", DOMAIN, metadata))
        }
        WatchError::Lagged => status(Code::ResourceExhausted, message, info("WATCH_LAGGED", None)),
    }
}

fn info(reason: &str, resource: Option<&str>) -> ErrorDetails {
    let metadata = resource.map(|resource| ("resource".to_owned(), resource.to_owned()));
    ErrorDetails::with_error_info(reason, DOMAIN, metadata.into_iter().collect::<HashMap<_, _>>())
}

fn status(code: Code, message: String, details: ErrorDetails) -> Status {
    Status::with_error_details(code, clip(message, MAX_MESSAGE), details)
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinrail_proto::domain::{Name, ResourceKey, ResourceKind, Revision};

    fn key() -> ResourceKey {
        ResourceKey { kind: ResourceKind::Lan, name: Name::new("prod").unwrap() }
    }

    /// What a client sees of a status, in one line each.
    fn seen(status: &Status) -> String {
        let details = status.get_error_details();
        let info = details.error_info().expect("every error has an ErrorInfo");
        assert_eq!(info.domain, DOMAIN);
        let mut lines = vec![
            format!("{:?}: {}", status.code(), status.message()),
            format!("info {} {:?}", info.reason, info.metadata),
        ];
        for it in details.bad_request().into_iter().flat_map(|it| &it.field_violations) {
            lines.push(format!("field {}: {}", it.field, it.description));
        }
        for it in details.precondition_failure().into_iter().flat_map(|it| &it.violations) {
            lines.push(format!("precondition {} {}: {}", it.r#type, it.subject, it.description));
        }
        lines.extend(details.retry_info().map(|it| format!("retry after {:?}", it.retry_delay)));
        lines.join("\n")
    }

    #[test]
    fn every_error_as_clients_see_it() {
        let field = |field: &str| FieldError { field: field.into(), problem: "wrong".into() };
        let invalid = Rejection::Invalid { field: "pool.ranges[0]".into(), problem: "wrong".into() };
        let stale = Rejection::StaleEtag { key: key(), seen: Revision(1), present: Revision(2) };
        let used = Rejection::Referenced { key: key(), by: "templates/web".into(), others: 0 };
        let all = [
            of_call(CallError::Rejected(invalid)),
            of_call(CallError::Rejected(stale)),
            of_call(CallError::Rejected(used)),
            of_call(CallError::Rejected(Rejection::NotFound { key: key(), field: None })),
            of_call(CallError::Rejected(Rejection::AlreadyExists { key: key() })),
            of_call(CallError::NoLeader { waited: Duration::from_secs(10) }),
            of_call(CallError::DeadlineExceeded),
            of_call(CallError::InvalidTarget("director 'd9' is down".into())),
            of_call(CallError::Storage("disk full".into())),
            of_fields(vec![field("lan.uplinks[0].port")]),
            of_fields(vec![field("a"), field("b"), field("c")]),
            not_found("LAN", "prod", "lans/prod"),
            of_watch(WatchError::Compacted { oldest: Revision(7) }),
            of_watch(WatchError::Lagged),
        ];
        insta::assert_snapshot!(all.iter().map(seen).collect::<Vec<_>>().join("\n\n"));
    }

    #[test]
    fn a_long_text_does_not_burst_the_headers() {
        let errors = (0..16).map(|_| FieldError { field: "f".repeat(96), problem: "ü".repeat(120) }).collect();
        for status in [of_fields(errors), of_call(CallError::InvalidTarget("x".repeat(100_000)))] {
            // In headers the details are base64 (4 for 3) and every octet of the message that is not ASCII becomes three.
            let octets = status.details().len() * 4 / 3 + status.message().len() * 3;
            assert!(octets < 14 * 1024, "{octets}");
        }
    }
}
