use twinrail_proto::domain::Name;

use super::paths::Paths;
use super::{FOLLOW_GRACE, Route};
use crate::Moment;

/// One adapter of this server.
#[derive(Clone, Debug, Hash)]
pub(super) struct Followed {
    route: Route,
    pending: Option<Pending>,
    successors: Vec<Name>,
}

#[derive(Clone, Debug, Hash)]
struct Pending {
    route: Route,
    /// Counted from when the *first* newer route was told: from then on the followed one was out of date.
    deadline: Moment,
}

/// What it means that a director told of a route.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    Known,
    Switch(Route),
    Conflict,
}

impl Followed {
    pub fn new(route: Route, successors: Vec<Name>) -> Self {
        Self { route, pending: None, successors }
    }

    /// A director told of a route that is at least as new as the newest one.
    pub fn on_told(&mut self, route: &Route, successors: &[Name], paths: &Paths, now: Moment) -> Told {
        let newest = self.newest();
        if route.epoch <= newest.epoch {
            if route != newest {
                return Told::Conflict;
            }
            self.successors = successors.to_vec();
            return Told::Known;
        }
        self.successors = successors.to_vec();
        let deadline = self.pending.as_ref().map_or(now + FOLLOW_GRACE, |it| it.deadline);
        self.pending = Some(Pending { route: route.clone(), deadline });
        self.on_time(paths, now).map_or(Told::Known, Told::Switch)
    }

    /// The home of this route says that it carries under it.
    pub fn on_carrying(&mut self, route: &Route) -> Option<Route> {
        let pending = self.pending.as_ref()?;
        (pending.route == *route).then(|| self.switch())?
    }

    /// The old home cannot be reached (or there is none), the new route leads nowhere, or the wait is over.
    pub fn on_time(&mut self, paths: &Paths, now: Moment) -> Option<Route> {
        let pending = self.pending.as_ref()?;
        let reached = self.route.home.as_ref().is_some_and(|it| paths.reaches(it));
        let due = !reached || pending.route.home.is_none() || now >= pending.deadline;
        due.then(|| self.switch())?
    }

    pub fn deadline(&self) -> Option<Moment> {
        self.pending.as_ref().map(|it| it.deadline)
    }

    pub fn route(&self) -> &Route {
        &self.route
    }

    /// The one that is waited for, if there is one.
    pub fn newest(&self) -> &Route {
        self.pending.as_ref().map_or(&self.route, |it| &it.route)
    }

    pub fn successors(&self) -> &[Name] {
        &self.successors
    }

    fn switch(&mut self) -> Option<Route> {
        self.route = self.pending.take()?.route;
        Some(self.route.clone())
    }
}
