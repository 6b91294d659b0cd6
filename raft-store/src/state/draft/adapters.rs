//! New adapters and their identities.

use twinrail_proto::domain::{AdapterId, AdapterKind, MacAddress, Name, Pool, PoolRanges, UnixMillis, Wwn};

use super::Draft;
use crate::state::identity::{Conflict, Drawing, Exhausted, Identity};
use crate::state::{Rejection, State};

/// `profiles/web-1/vnics/eth0`
pub(in crate::state) fn adapter_path(profile: &Name, kind: AdapterKind, name: &Name) -> String {
    let collection = match kind {
        AdapterKind::Vnic => "vnics",
        AdapterKind::Vhba => "vhbas",
    };
    format!("profiles/{profile}/{collection}/{name}")
}

impl State {
    /// What an adapter is called; its number where nobody knows it.
    pub(in crate::state) fn path_of(&self, id: AdapterId) -> String {
        match self.adapter(id) {
            Some((profile, adapter)) => adapter_path(&profile.name, adapter.kind, adapter.name),
            None => format!("adapter {id}"),
        }
    }
}

/// Who asks for an identity: what the refusal blames, and what holds it afterwards.
#[derive(Clone, Copy, Debug)]
pub(in crate::state) struct Taker<'a> {
    pub field: &'a str,
    pub adapter: &'a str,
}

impl Draft<'_> {
    /// A number that no adapter ever had.
    pub fn new_adapter_id(&mut self) -> Result<AdapterId, Rejection> {
        let Some(id) = self.last_adapter.0.checked_add(1) else {
            let what = "adapters ever created".to_owned();
            return Err(Rejection::LimitReached { field: None, what, limit: u32::MAX as usize });
        };
        self.last_adapter = AdapterId(id);
        Ok(self.last_adapter)
    }

    pub fn draw_mac(&mut self, pool: &Name, taker: Taker<'_>) -> Result<MacAddress, Rejection> {
        let PoolRanges::Mac(ranges) = self.pool_ranges(pool, taker.field)? else {
            return Err(wrong_kind::<MacAddress>(pool, taker));
        };
        let drawn = self.macs.draw(&ranges, taker.adapter);
        drawn.map_err(|exhausted| pool_exhausted(pool, taker, exhausted, self.now))
    }

    pub fn draw_wwn(&mut self, pool: &Name, taker: Taker<'_>) -> Result<Wwn, Rejection> {
        let PoolRanges::Wwn(ranges) = self.pool_ranges(pool, taker.field)? else {
            return Err(wrong_kind::<Wwn>(pool, taker));
        };
        let drawn = self.wwns.draw(&ranges, taker.adapter);
        drawn.map_err(|exhausted| pool_exhausted(pool, taker, exhausted, self.now))
    }

    pub fn claim_mac(&mut self, mac: MacAddress, taker: Taker<'_>) -> Result<(), Rejection> {
        claim(self.base, self.now, &mut self.macs, mac, taker)
    }

    pub fn claim_wwn(&mut self, wwn: Wwn, taker: Taker<'_>) -> Result<(), Rejection> {
        claim(self.base, self.now, &mut self.wwns, wwn, taker)
    }

    fn pool_ranges(&self, pool: &Name, field: &str) -> Result<PoolRanges, Rejection> {
        Ok(self.refer::<Pool>(pool, || field.to_owned())?.ranges.clone())
    }

    /// That a template draws from a pool of the right kind.
    pub fn check_pool<I: Identity>(&self, pool: &Name, field: &str) -> Result<(), Rejection> {
        let holds = match self.refer::<Pool>(pool, || field.to_owned())?.ranges {
            PoolRanges::Mac(_) => MacAddress::PLURAL,
            PoolRanges::Wwn(_) => Wwn::PLURAL,
        };
        if holds == I::PLURAL { Ok(()) } else { Err(wrong_kind::<I>(pool, Taker { field, adapter: "" })) }
    }
}

fn claim<I: Identity>(
    base: &State,
    now: UnixMillis,
    drawing: &mut Drawing<'_, I>,
    identity: I,
    taker: Taker<'_>,
) -> Result<(), Rejection> {
    let in_use = |holder| {
        let (field, identity) = (taker.field.to_owned(), identity.to_string());
        Rejection::IdentityInUse { field, identity, holder }
    };
    drawing.claim(identity, taker.adapter).map_err(|conflict| match conflict {
        Conflict::Held(holder) => in_use(base.path_of(holder)),
        Conflict::TakenBy(holder) => in_use(holder),
        Conflict::Resting { until } => {
            let (field, identity) = (taker.field.to_owned(), identity.to_string());
            Rejection::IdentityResting { field, identity, seconds: seconds_until(until, now) }
        }
    })
}

fn wrong_kind<I: Identity>(pool: &Name, taker: Taker<'_>) -> Rejection {
    let (field, wanted) = (taker.field.to_owned(), I::PLURAL.to_owned());
    Rejection::WrongPoolKind { field, pool: pool.clone(), wanted }
}

fn pool_exhausted(pool: &Name, taker: Taker<'_>, exhausted: Exhausted, now: UnixMillis) -> Rejection {
    Rejection::PoolExhausted {
        field: taker.field.to_owned(),
        pool: pool.clone(),
        resting: exhausted.resting,
        first_returns_in: exhausted.first_returns.map(|until| seconds_until(until, now)),
    }
}

/// Rounded up: waiting so long is enough.
pub(super) fn seconds_until(until: UnixMillis, now: UnixMillis) -> u64 {
    until.saturating_sub(now).div_ceil(1_000)
}
