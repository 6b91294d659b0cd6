use twinrail_proto::domain::{HomeMove, Name};

use super::board::{Board, Piece};
use super::choose::settle;
use super::even::even_out;
use super::plan::Plan;
use super::succession::succession;
use super::view::View;

/// Everything that a lost director has goes to others. The lists of successors that name it elsewhere are left to
/// [`super::refresh`]: this plan is urgent, and as small as it can be.
pub fn on_director_lost(view: &View, director: &Name) -> Plan {
    leave(view, director, |_| true)
}

/// Everything that a drained director has goes to others. Whatever its admin state in the view is, it gets nothing.
pub fn drain(view: &View, director: &Name) -> Plan {
    leave(view, director, |_| true)
}

/// What a director has of a LAN that its port does not reach any more goes to directors whose port works. Where there is
/// none, it stays.
pub fn on_uplink_lost(view: &View, director: &Name, lan: &Name) -> Plan {
    leave(view, director, |piece| piece.adapter.needs_uplink && piece.adapter.cloud == lan)
}

/// What one server has on a director that it lost all paths to goes to directors that it is known to reach. A server that
/// reaches nobody, or of which nothing is known, keeps what it has: no other home would serve it better. So does one that
/// reaches the director again: whoever became the leader late may hear of a loss that has healed.
pub fn on_paths_lost(view: &View, server: &Name, director: &Name) -> Plan {
    match view.reach.directors_of(server) {
        Some(reached) if !reached.is_empty() && !reached.contains(director) => {
            leave(view, director, |piece| piece.adapter.server() == Some(server))
        }
        _ => Plan::default(),
    }
}

fn leave(view: &View, director: &Name, which: impl Fn(&Piece) -> bool) -> Plan {
    let mut board = Board::new(view, &[]);
    board.exclude(director);
    let mut pieces = board.carried();
    pieces.retain(|it| it.adapter.home.director.as_ref() == Some(director) && which(it));
    let stranded = settle(&mut board, &mut pieces);
    even_out(&mut board, &mut pieces);
    Plan { moves: moves(&mut board, &pieces), successors: Vec::new(), stranded }.sorted()
}

/// The moves of those pieces that have another home now than the state says.
pub(super) fn moves(board: &mut Board, pieces: &[Piece]) -> Vec<HomeMove> {
    let mut moves = Vec::new();
    for piece in pieces.iter().filter(|it| it.home.is_some()) {
        if board.has_moved(piece) {
            let successors = succession(board, piece);
            moves.push(board.home_move(piece, successors));
        }
    }
    moves
}
