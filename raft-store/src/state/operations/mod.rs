//! What each operation does, on a draft. One file for each kind of resource; no operation looks at what is in another's file
//! except through the draft and the shared checks.

mod bindings;
mod checks;
mod delete;
mod directors;
mod homes;
mod networks;
mod pools;
mod profiles;
mod qos_policies;
mod receipts;
mod servers;
mod templates;
mod vhbas;
mod vnics;

use twinrail_proto::domain::Name;

use super::answers::not_remembered;
use super::draft::Draft;
use super::{Command, Operation, Rejection};

pub(super) use homes::unfitness;
pub(super) use pools::range_holding;

pub(super) fn run(draft: &mut Draft<'_>, command: &Command) -> Result<(), Rejection> {
    use Operation::*;
    match &command.operation {
        Recall => Err(not_remembered(command)),
        Found { cluster } => found(draft, cluster),
        CreateDirector(director) => directors::create(draft, director),
        UpdateDirector { director, if_match } => directors::update(draft, director, *if_match),
        DeleteDirector { name, if_match } => directors::delete(draft, name, *if_match),
        ClaimDirector { id, store_id } => directors::claim(draft, *id, store_id),
        CreateServer(server) => servers::create(draft, server),
        UpdateServer { server, if_match } => servers::update(draft, server, *if_match),
        DeleteServer { name, if_match } => servers::delete(draft, name, *if_match),
        AttachServer { name, machine_id, rails } => servers::attach(draft, name, machine_id, *rails),
        CreateLan(lan) => networks::create_lan(draft, lan),
        UpdateLan { lan, if_match } => networks::update_lan(draft, lan, *if_match),
        CreateSan(san) => networks::create_san(draft, san),
        UpdateSan { san, if_match } => networks::update_san(draft, san, *if_match),
        CreatePool(pool) => pools::create(draft, pool),
        UpdatePool { pool, if_match } => pools::update(draft, pool, *if_match),
        CreateQosPolicy(policy) => qos_policies::create(draft, policy),
        UpdateQosPolicy { policy, if_match } => qos_policies::update(draft, policy, *if_match),
        CreateTemplate(template) => templates::create(draft, template),
        UpdateTemplate { template, if_match } => templates::update(draft, template, *if_match),
        Delete { key, if_match } => delete::delete(draft, key, *if_match),
        other => run_on_profiles(draft, other),
    }
}

fn run_on_profiles(draft: &mut Draft<'_>, operation: &Operation) -> Result<(), Rejection> {
    use Operation::*;
    match operation {
        CreateProfile { name, spec } => profiles::create(draft, name, spec),
        DeleteProfile { name, if_match } => profiles::delete(draft, name, *if_match),
        CreateVnic { profile, name, spec, if_match } => vnics::create(draft, profile, name, spec, *if_match),
        UpdateVnic { profile, name, spec, if_match } => vnics::update(draft, profile, name, spec, *if_match),
        DeleteVnic { profile, name, if_match } => vnics::delete(draft, profile, name, *if_match),
        CreateVhba { profile, name, spec, if_match } => vhbas::create(draft, profile, name, spec, *if_match),
        UpdateVhba { profile, name, spec, if_match } => vhbas::update(draft, profile, name, spec, *if_match),
        DeleteVhba { profile, name, if_match } => vhbas::delete(draft, profile, name, *if_match),
        BindProfile { profile, server, homes, if_match } => bindings::bind(draft, profile, server, homes, *if_match),
        ReleaseProfile { profile, to, if_match } => bindings::release(draft, profile, to.as_ref(), *if_match),
        CompleteRelease { profile, from, homes, revision } => {
            bindings::complete_release(draft, profile, from, homes, *revision)
        }
        ChangeHomes { cause_note: _, moves, receipt } => homes::change(draft, moves, receipt.as_deref()),
        CompleteReceipt { failover, director, carrying, announced, phases, committed } => {
            receipts::complete(draft, failover, director, (carrying, announced), phases, *committed)
        }
        other => unreachable!("{other:?} is run on its own"),
    }
}

/// The same name again changes nothing: every director of a new cluster may propose it.
fn found(draft: &mut Draft<'_>, cluster: &str) -> Result<(), Rejection> {
    if let Some(present) = &draft.record().cluster {
        return match present.as_str() == cluster {
            true => Ok(()),
            false => Err(Rejection::OtherCluster { present: present.clone(), asked: cluster.to_owned() }),
        };
    }
    let name = Name::new(cluster).map_err(|error| checks::invalid("cluster", error))?;
    draft.name_cluster(name);
    Ok(())
}
