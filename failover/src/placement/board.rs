use std::collections::{BTreeMap, BTreeSet};

use twinrail_proto::domain::{AdapterId, DirectorRole, HomeMove, MAX_DIRECTORS, Name};

use super::directors::{DirectorSet, Place};
use super::fitness::may_be_home;
use super::view::{AdapterView, DirectorView, View};
use crate::Standing;

/// The view with everything counted and names turned into places, so that planning thousands of adapters compares
/// numbers. It changes as adapters are seated and lifted.
pub(super) struct Board<'v> {
    view: &'v View<'v>,
    /// Sorted by name.
    directors: Vec<&'v DirectorView<'v>>,
    /// Sorted by name.
    servers: Vec<&'v Name>,
    /// Which directors each server reaches.
    reached: Vec<DirectorSet>,
    clouds: BTreeMap<&'v Name, Cloud>,
    pub active: DirectorSet,
    /// Trusted: may be given more, if they may keep what they have.
    pub fit: DirectorSet,
    /// May keep what they have.
    pub keeping: DirectorSet,
    load: Vec<u32>,
    /// How many adapters of each server each director carries: `server * directors + director`.
    spread: Vec<u32>,
    /// How many adapters of a home have which director as first successor: `home * directors + successor`.
    heirs: Vec<u32>,
}

/// Which directors have a port to a cloud.
#[derive(Clone, Copy)]
struct Cloud {
    meant: DirectorSet,
    /// One that works.
    working: DirectorSet,
}

/// An adapter on the board.
#[derive(Clone, Debug)]
pub(super) struct Piece<'v> {
    pub adapter: &'v AdapterView<'v>,
    pub server: usize,
    /// Whom it may be given to now.
    pub candidates: DirectorSet,
    /// Who may have it at all at this time: its home and its successors are of these.
    pub able: DirectorSet,
    /// Where it is on the board. None: lifted, or homeless.
    pub home: Option<Place>,
}

impl<'v> Board<'v> {
    /// A board with all adapters of the view in their places, except `lifted` ones: they are about to be placed, and may be
    /// of the view or new.
    pub fn new(view: &'v View<'v>, lifted: &'v [AdapterView<'v>]) -> Self {
        let mut board = Self::empty(view, lifted);
        let apart: BTreeSet<AdapterId> = lifted.iter().map(|it| it.id).collect();
        for adapter in view.adapters.iter().filter(|it| !apart.contains(&it.id)) {
            if let Some(piece) = board.piece(adapter) {
                board.count(&piece);
            }
        }
        board
    }

    fn empty(view: &'v View<'v>, lifted: &'v [AdapterView<'v>]) -> Self {
        assert!(view.directors.len() <= MAX_DIRECTORS, "a cluster has at most {MAX_DIRECTORS} directors");
        let mut directors: Vec<&DirectorView> = view.directors.iter().collect();
        directors.sort_by_key(|it| it.name);
        let mut servers: Vec<&Name> = view.adapters.iter().chain(lifted).filter_map(AdapterView::server).collect();
        servers.sort();
        servers.dedup();
        let pick = |wanted: &dyn Fn(&DirectorView) -> bool| -> DirectorSet {
            (0..directors.len()).filter(|&it| wanted(directors[it])).collect()
        };
        let keeping = pick(&|it| may_be_home(it).is_ok() && it.standing != Standing::Lost);
        let count = directors.len();
        Self {
            view,
            reached: servers.iter().map(|it| reached(view, &directors, it)).collect(),
            clouds: BTreeMap::new(),
            active: pick(&|it| it.role == DirectorRole::Active),
            fit: keeping & pick(&|it| it.standing == Standing::Trusted),
            keeping,
            load: vec![0; count],
            spread: vec![0; count * servers.len()],
            heirs: vec![0; count * count],
            directors,
            servers,
        }
    }

    /// Nothing goes to this director, whatever the view says of it.
    pub fn exclude(&mut self, director: &Name) {
        if let Some(place) = self.place_of(director) {
            self.keeping = self.keeping - DirectorSet::one(place);
        }
    }

    /// An adapter of the view or a lifted one; None: nobody uses it.
    pub fn piece(&mut self, adapter: &'v AdapterView<'v>) -> Option<Piece<'v>> {
        let server = self.servers.binary_search(&adapter.server()?).expect("all servers were collected");
        let cloud = self.cloud(adapter);
        let able = self.keeping & cloud.working & self.reached[server];
        let candidates = self.with_spares_last(self.fit & able, cloud.meant);
        let home = adapter.home.director.as_ref().and_then(|it| self.place_of(it));
        Some(Piece { adapter, server, candidates, able, home })
    }

    /// The pieces of the view that traffic flows to and from, by server and id.
    pub fn carried(&mut self) -> Vec<Piece<'v>> {
        let view = self.view;
        let carried = view.adapters.iter().filter(|it| it.is_carried());
        let mut pieces: Vec<Piece> = carried.filter_map(|it| self.piece(it)).collect();
        pieces.sort_by_key(|it| (it.server, it.adapter.id));
        pieces
    }

    /// Spares are for what no active director can carry at the moment, though one is there for it.
    fn with_spares_last(&self, able: DirectorSet, meant: DirectorSet) -> DirectorSet {
        let active = able & self.active;
        match active.is_empty() {
            true if (meant & self.active).is_empty() => DirectorSet::default(),
            true => able,
            false => active,
        }
    }

    fn cloud(&mut self, adapter: &AdapterView<'v>) -> Cloud {
        let directors = &self.directors;
        if !adapter.needs_uplink {
            let all = (0..directors.len()).collect();
            return Cloud { meant: all, working: all };
        }
        let look = || {
            let pick = |wanted: &dyn Fn(&DirectorView) -> bool| {
                (0..directors.len()).filter(|&it| wanted(directors[it])).collect()
            };
            let meant: DirectorSet = pick(&|it| it.uplinks.contains(adapter.cloud));
            let down: DirectorSet = pick(&|it| it.uplinks_down.contains(adapter.cloud));
            Cloud { meant, working: meant - down }
        };
        *self.clouds.entry(adapter.cloud).or_insert_with(look)
    }

    pub fn place_of(&self, director: &Name) -> Option<Place> {
        self.directors.binary_search_by_key(&director, |it| it.name).ok()
    }

    pub fn name_of(&self, director: Place) -> &'v Name {
        self.directors[director].name
    }

    fn count(&mut self, piece: &Piece) {
        let Some(home) = piece.home else { return };
        self.load[home] += 1;
        *self.spread_mut(piece.server, home) += 1;
        if let Some(heir) = self.first_successor(piece) {
            *self.heirs_mut(home, heir) += 1;
        }
    }

    fn first_successor(&self, piece: &Piece) -> Option<Place> {
        piece.adapter.home.successors.first().and_then(|it| self.place_of(it))
    }

    fn spread_mut(&mut self, server: usize, director: Place) -> &mut u32 {
        &mut self.spread[server * self.directors.len() + director]
    }

    fn heirs_mut(&mut self, home: Place, heir: Place) -> &mut u32 {
        &mut self.heirs[home * self.directors.len() + heir]
    }

    pub fn load(&self, director: Place) -> u32 {
        self.load[director]
    }

    /// How many adapters of the piece's server this director has.
    pub fn spread(&self, piece: &Piece, director: Place) -> u32 {
        self.spread[piece.server * self.directors.len() + director]
    }

    pub fn heirs(&self, home: Place, heir: Place) -> u32 {
        self.heirs[home * self.directors.len() + heir]
    }

    pub fn add_heir(&mut self, home: Place, heir: Place) {
        *self.heirs_mut(home, heir) += 1;
    }

    /// The committed first successor of a piece that stays in its place does not count any more: another list comes.
    pub fn forget_heir(&mut self, piece: &Piece) {
        if let (Some(home), Some(heir)) = (piece.home, self.first_successor(piece)) {
            *self.heirs_mut(home, heir) -= 1;
        }
    }

    /// Takes a piece from its place.
    pub fn lift(&mut self, piece: &mut Piece) {
        if let Some(home) = piece.home.take() {
            self.load[home] -= 1;
            *self.spread_mut(piece.server, home) -= 1;
        }
    }

    pub fn seat(&mut self, piece: &mut Piece, director: Place) {
        assert!(piece.home.is_none(), "a piece is lifted before it is seated");
        piece.home = Some(director);
        self.load[director] += 1;
        *self.spread_mut(piece.server, director) += 1;
    }

    /// What the piece's place on the board means for the state.
    pub fn home_move(&self, piece: &Piece, successors: Vec<Name>) -> HomeMove {
        HomeMove {
            adapter: piece.adapter.id,
            expected: piece.adapter.home.epoch,
            to: piece.home.map(|it| self.name_of(it).clone()),
            successors,
        }
    }

    pub fn has_moved(&self, piece: &Piece) -> bool {
        piece.home.is_some_and(|it| piece.adapter.home.director.as_ref() != Some(self.name_of(it)))
    }

    pub fn director_count(&self) -> usize {
        self.directors.len()
    }
}

/// A server that reaches nobody tells nothing about directors (its own cables are out): planned for as though unknown.
fn reached<'v>(view: &View<'v>, directors: &[&DirectorView<'v>], server: &Name) -> DirectorSet {
    let set: DirectorSet = (0..directors.len()).filter(|&it| view.reach.allows(server, directors[it].name)).collect();
    if set.is_empty() { (0..directors.len()).collect() } else { set }
}
