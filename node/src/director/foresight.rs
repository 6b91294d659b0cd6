//! What follows from a change by itself, for those who ask before they make it: a drain is one word in the record, and then
//! adapters move and the leadership goes.

use twinrail_failover::placement;
use twinrail_proto::domain::{AdminState, FailoverCause, HomeMove, Name, ResourceKind};
use twinrail_proto::grpc::convert::resource_name;
use twinrail_raft_store::state::{Applied, Change, Command, Effect, Operation};

use super::cluster::{CallError, Intent};
use super::core::Core;
use super::leader::Answer;
use super::planning::note;

impl Core {
    /// The preview of a call: what its command would change, and what the leader would do next because of it.
    pub fn foresee(&self, command: &Command, intent: &Intent) -> Answer {
        let mut applied = self.preview(command)?;
        if let Intent::SetAdminState { director, admin_state: AdminState::Drained, .. } = intent {
            applied.effects.extend(self.evacuation(command, director)?);
            applied.effects.extend(self.succession(director));
        }
        Ok(applied)
    }

    fn preview(&self, command: &Command) -> Answer {
        self.state.read().preview(command).map_err(CallError::Rejected)
    }

    /// What moves away from a director that is drained. What nobody else can carry stays, and is not in it.
    fn evacuation(&self, command: &Command, director: &Name) -> Result<Vec<Effect>, CallError> {
        let moves: Vec<HomeMove> = self.with_view(|_, view| placement::drain(view, director).moves);
        if moves.is_empty() {
            return Ok(Vec::new());
        }
        let cause_note = note(&FailoverCause::Drain(director.clone()));
        let operation = Operation::ChangeHomes { cause_note, moves, receipt: None };
        let Applied { effects, .. } = self.preview(&Command { request_id: None, operation, ..command.clone() })?;
        Ok(effects)
    }

    /// A leader that is drained hands over, if somebody is fit to lead.
    fn succession(&self, director: &Name) -> Option<Effect> {
        let heir = self.best_leader().filter(|_| *director == self.own)?;
        Some(Effect {
            resource: "cluster".to_owned(),
            change: Change::Updated,
            field: Some("leader".to_owned()),
            before: Some(resource_name(ResourceKind::Director, director)),
            after: Some(resource_name(ResourceKind::Director, &heir)),
        })
    }
}
