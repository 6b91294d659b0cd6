//! Changes as watchers see them.

use std::time::Duration;

use tokio::time::Instant;
use twinrail_proto::domain::{Resource, Revision};
use twinrail_proto::grpc::convert::{
    Stamp, write_director, write_failover, write_lan, write_pool, write_profile, write_qos_policy, write_san,
    write_server, write_template,
};
use twinrail_proto::grpc::v1;
use twinrail_raft_store::state::Event;

use super::call::change_type;

/// How often a watcher of few resources is told that others changed: often enough that the revision it would resume
/// from is not compacted.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// What one watcher wants of the changes.
#[derive(Debug)]
pub struct Filter {
    prefixes: Vec<String>,
    told_at: Instant,
}

impl Filter {
    /// No prefix: everything.
    pub fn new(prefixes: Vec<String>, now: Instant) -> Self {
        Self { prefixes, told_at: now }
    }

    /// The message about the changes of one revision, if there is anything to tell.
    pub fn pass(&mut self, revision: Revision, events: &[Event], now: Instant) -> Option<v1::WatchResponse> {
        let events: Vec<v1::Event> =
            events.iter().filter(|event| self.wants(event)).map(|event| write_event(revision, event)).collect();
        let content = if !events.is_empty() {
            v1::watch_response::Content::Changes(v1::watch_response::Changes { events })
        } else if now.duration_since(self.told_at) >= PROGRESS_EVERY {
            v1::watch_response::Content::Progress(v1::watch_response::Progress {})
        } else {
            return None;
        };
        self.told_at = now;
        Some(v1::WatchResponse { revision: revision.0, content: Some(content) })
    }

    fn wants(&self, event: &Event) -> bool {
        let name = event.key.to_string();
        self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| name.starts_with(prefix))
    }
}

/// The first message of every watch.
pub fn started(after: Revision) -> v1::WatchResponse {
    let content = v1::watch_response::Content::Started(v1::watch_response::Started {});
    v1::WatchResponse { revision: after.0, content: Some(content) }
}

/// When and by which revision the resource of an event was made and changed.
pub fn stamp(event: &Event) -> Stamp {
    Stamp { modified: event.modified, created_at: event.created_at, modified_at: event.modified_at }
}

fn write_event(revision: Revision, event: &Event) -> v1::Event {
    v1::Event {
        revision: revision.0,
        change: change_type(event.change).into(),
        resource: event.key.to_string(),
        content: event.resource.as_ref().map(|resource| write_resource(resource, stamp(event))),
    }
}

fn write_resource(resource: &Resource, stamp: Stamp) -> v1::event::Content {
    use v1::event::Content;
    match resource {
        Resource::Director(it) => Content::Director(write_director(it, stamp)),
        Resource::Server(it) => Content::Server(write_server(it, stamp)),
        Resource::Lan(it) => Content::Lan(write_lan(it, stamp)),
        Resource::San(it) => Content::San(write_san(it, stamp)),
        Resource::Pool(it) => Content::Pool(write_pool(it, stamp)),
        Resource::QosPolicy(it) => Content::QosPolicy(write_qos_policy(it, stamp)),
        Resource::Template(it) => Content::Template(write_template(it, stamp)),
        Resource::Profile(it) => Content::Profile(write_profile(it, stamp)),
        Resource::Failover(it) => Content::Failover(write_failover(it, stamp)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use twinrail_proto::domain::{Lan, Name, ResourceKey, ResourceKind};
    use twinrail_raft_store::state::Change;

    fn event(kind: ResourceKind, name: &str, resource: Option<Resource>) -> Event {
        Event {
            key: ResourceKey { kind, name: Name::new(name).unwrap() },
            change: if resource.is_some() { Change::Created } else { Change::Deleted },
            resource,
            created: Revision(3),
            modified: Revision(9),
            created_at: 1000,
            modified_at: 2000,
        }
    }

    fn lan(name: &str) -> Event {
        let lan = Lan { name: Name::new(name).unwrap(), uplinks: Default::default() };
        event(ResourceKind::Lan, name, Some(Resource::Lan(lan)))
    }

    fn names(response: Option<v1::WatchResponse>) -> Vec<String> {
        match response.expect("a message").content.expect("a content") {
            v1::watch_response::Content::Changes(changes) => {
                changes.events.into_iter().map(|event| event.resource).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_event_carries_the_resource_and_its_stamp() {
        let mut filter = Filter::new(Vec::new(), Instant::now());
        let response =
            filter.pass(Revision(9), &[lan("prod"), event(ResourceKind::Server, "s1", None)], Instant::now());
        insta::assert_debug_snapshot!(response);
    }

    #[test]
    fn a_filter_passes_what_starts_so() {
        let now = Instant::now();
        let events = [lan("prod"), lan("test"), event(ResourceKind::Profile, "web-1", None)];
        let pass = |prefixes: &[&str]| {
            Filter::new(prefixes.iter().map(|it| it.to_string()).collect(), now).pass(Revision(9), &events, now)
        };
        assert_eq!(names(pass(&[])), ["lans/prod", "lans/test", "profiles/web-1"]);
        assert_eq!(names(pass(&["lans/"])), ["lans/prod", "lans/test"]);
        assert_eq!(names(pass(&["profiles/web-", "lans/prod"])), ["lans/prod", "profiles/web-1"]);
        assert_eq!(pass(&["sans/"]), None);
    }

    #[test]
    fn a_watcher_of_little_is_told_how_far_we_are() {
        let start = Instant::now();
        let mut filter = Filter::new(vec!["sans/".into()], start);
        let late = start + PROGRESS_EVERY;
        assert_eq!(filter.pass(Revision(8), &[lan("prod")], late - Duration::from_millis(1)), None);
        let told = filter.pass(Revision(9), &[lan("prod")], late).unwrap();
        assert_eq!(told.revision, 9);
        assert!(matches!(told.content, Some(v1::watch_response::Content::Progress(_))));
        assert_eq!(filter.pass(Revision(10), &[lan("prod")], late), None, "once in a while only");
    }
}
