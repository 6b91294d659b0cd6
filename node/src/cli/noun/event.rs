//! `event watch`: changes as they happen, over lost connections.

use std::time::Duration;

use clap::Subcommand;
use tokio::time::{Instant, sleep};
use tonic::{Code, Status, Streaming};
use twinrail_proto::grpc::json::to_json;
use twinrail_proto::grpc::v1;
use v1::watch_response::Content;

use crate::cli::Format;
use crate::cli::failure::Failure;
use crate::cli::output::say;
use crate::cli::session::Session;
use crate::cli::text::word;

/// Between a lost connection and the next try.
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

#[derive(Subcommand, Debug)]
pub enum EventCommand {
    /// Prints changes until interrupted. When the connection is lost, goes on with the next director, without a gap.
    Watch {
        /// Start after this revision instead of now.
        #[arg(long, value_name = "REVISION")]
        since: Option<u64>,
        /// Only resources whose names start so, as profiles/ or lans/prod; may be repeated.
        #[arg(long, value_name = "PREFIX")]
        resource: Vec<String>,
    },
}

impl EventCommand {
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        let Self::Watch { since, resource } = self;
        let mut after = since;
        // When the last stream broke; all endpoints are tried again for as long as a call may take.
        let mut broken = None;
        loop {
            let request = v1::WatchRequest { after_revision: after, resource_prefixes: resource.clone() };
            let lost = match session.events().watch(session.ask_without_end(request)).await {
                Ok(response) => {
                    let lost = follow(session, response.into_inner(), &mut after).await;
                    broken = Some(Instant::now());
                    if can_resume(&lost) {
                        eprintln!("the connection is lost ({}); going on where it broke", lost.message());
                    }
                    lost
                }
                Err(status) => status,
            };
            if !can_resume(&lost) || broken.is_none_or(|since| since.elapsed() >= session.timeout()) {
                return Err(lost.into());
            }
            sleep(RECONNECT_AFTER).await;
        }
    }
}

/// Prints what comes until the stream breaks, and keeps in `after` how far it came.
async fn follow(session: &Session, mut stream: Streaming<v1::WatchResponse>, after: &mut Option<u64>) -> Status {
    loop {
        match stream.message().await {
            Ok(Some(response)) => {
                *after = Some(response.revision);
                print(session.format(), &response);
            }
            Ok(None) => return Status::unavailable("the director ended the stream"),
            Err(status) => return status,
        }
    }
}

/// Not when the events are gone, nor when the request itself is refused.
fn can_resume(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::ResourceExhausted | Code::Internal
    )
}

fn print(format: Format, response: &v1::WatchResponse) {
    match (format, &response.content) {
        // One message a line, progress and all: programs resume from any of them.
        (Format::Json, _) => say(to_json(response)),
        (Format::Table, Some(Content::Changes(changes))) => {
            changes.events.iter().for_each(|event| say(line(event)));
        }
        (Format::Table, Some(Content::Started(_))) => eprintln!("watching after revision {}", response.revision),
        (Format::Table, Some(Content::Progress(_)) | None) => {}
    }
}

fn line(event: &v1::Event) -> String {
    let change = word(event.change().as_str_name(), "CHANGE_TYPE_");
    format!("{:>8}  {change:7}  {}", event.revision, event.resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let change = v1::ChangeType::Created.into();
        let event = v1::Event { revision: 42, change, resource: "profiles/web-1".into(), content: None };
        assert_eq!(line(&event), "      42  created  profiles/web-1");
    }

    #[test]
    fn only_a_lost_connection_is_resumed() {
        assert!(can_resume(&Status::unavailable("")));
        assert!(can_resume(&Status::resource_exhausted("lagged")));
        assert!(!can_resume(&Status::out_of_range("compacted")));
        assert!(!can_resume(&Status::invalid_argument("")));
    }
}
