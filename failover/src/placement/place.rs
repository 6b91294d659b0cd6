use twinrail_proto::domain::{AdapterId, HomeMove, Name};

use super::board::{Board, Piece};
use super::choose::settle;
use super::even::even_out;
use super::fitness::{Unfit, may_get};
use super::succession::succession;
use super::view::{AdapterView, View};

/// Why one adapter cannot be moved to the director that the operator named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveRefused {
    #[error("there is no adapter {0}")]
    UnknownAdapter(AdapterId),
    #[error("there is no director {0}")]
    UnknownDirector(Name),
    #[error("adapter {0} is not in use by a server; it gets a home when its profile is bound")]
    NotCarried(AdapterId),
    #[error("director {0} is a spare: it takes adapters only while no active director can carry them")]
    Spare(Name),
    #[error("the adapter cannot be moved there: {0}")]
    Unfit(#[from] Unfit),
}

/// Homes for adapters that are about to be used: those of a profile that is being bound, as they will be
/// ([`AdapterView::of_profile_on`]). They may be in the view or not. One that nobody can carry is not in the answer: it
/// is homeless until [`super::refresh`] finds a home for it.
pub fn place(view: &View, adapters: &[AdapterView]) -> Vec<HomeMove> {
    let mut board = Board::new(view, adapters);
    let mut pieces = pieces(&mut board, adapters);
    pieces.iter_mut().for_each(|it| it.home = None);
    settle_new(&mut board, &mut pieces);
    named(&mut board, pieces)
}

/// Homes for adapters that come to another server, as they will be. Each keeps its home where that can carry it for the
/// new server too (it holds frames for it); the others are placed. Those that stay are in the answer as well.
pub fn keep_or_place(view: &View, adapters: &[AdapterView]) -> Vec<HomeMove> {
    let mut board = Board::new(view, adapters);
    let pieces = pieces(&mut board, adapters);
    let stays = |it: &Piece| it.home.is_some_and(|home| (it.able & board.fit).contains(home));
    let (mut staying, mut leaving): (Vec<Piece>, Vec<Piece>) = pieces.into_iter().partition(stays);
    for piece in &mut staying {
        let home = piece.home.take().expect("it stays where it is");
        board.seat(piece, home);
    }
    leaving.iter_mut().for_each(|it| it.home = None);
    settle_new(&mut board, &mut leaving);
    staying.append(&mut leaving);
    named(&mut board, staying)
}

/// One adapter goes where the operator wants it. Moving it to where it is names it with its present home.
pub fn move_to(view: &View, adapter: AdapterId, to: &Name) -> Result<HomeMove, MoveRefused> {
    let found = view.adapters.iter().find(|it| it.id == adapter).ok_or(MoveRefused::UnknownAdapter(adapter))?;
    let director =
        view.directors.iter().find(|it| it.name == to).ok_or_else(|| MoveRefused::UnknownDirector(to.clone()))?;
    let mut board = Board::new(view, std::slice::from_ref(found));
    let piece = board.piece(found).filter(|_| found.is_carried());
    let mut piece = piece.ok_or(MoveRefused::NotCarried(adapter))?;
    let place = board.place_of(to).expect("the director is in the view");
    if !piece.candidates.contains(place) {
        may_get(director, found, view.reach)?;
        return Err(MoveRefused::Spare(to.clone()));
    }
    piece.home = None;
    board.seat(&mut piece, place);
    let successors = succession(&mut board, &piece);
    Ok(board.home_move(&piece, successors))
}

/// By server and id, however they were given.
fn pieces<'v>(board: &mut Board<'v>, adapters: &'v [AdapterView<'v>]) -> Vec<Piece<'v>> {
    let mut pieces: Vec<Piece> = adapters.iter().filter_map(|it| board.piece(it)).collect();
    pieces.sort_by_key(|it| (it.server, it.adapter.id));
    pieces
}

/// Lifted pieces are not counted on the board, so there is nothing to lift and nowhere to go back to.
fn settle_new(board: &mut Board, pieces: &mut [Piece]) {
    settle(board, pieces);
    even_out(board, pieces);
}

fn named(board: &mut Board, mut pieces: Vec<Piece>) -> Vec<HomeMove> {
    pieces.retain(|it| it.home.is_some());
    pieces.sort_by_key(|it| it.adapter.id);
    let mut moves = Vec::with_capacity(pieces.len());
    for piece in &pieces {
        let successors = succession(board, piece);
        moves.push(board.home_move(piece, successors));
    }
    moves
}
