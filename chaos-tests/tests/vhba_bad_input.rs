//! SANs that are not as they were said to be, and an array that is gone for a while: clear errors in the API, I/O that waits, and
//! nobody dies of it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use twinrail_chaos_tests::consistency::load::{Load, Shared};
use twinrail_chaos_tests::consistency::nbd::NbdDisk;
use twinrail_chaos_tests::consistency::running::BLOCKS;
use twinrail_chaos_tests::lab::scenario::eventually;
use twinrail_chaos_tests::lab::storage::{Storage, VHBA};
use twinrail_chaos_tests::lab::{Layout, remnants};
use twinrail_proto::grpc::v1;
use twinrail_proto::grpc::v1::san_service_client::SanServiceClient;

const SAID_WITHIN: Duration = Duration::from_secs(15);
const SECRET: &str = "a-secret-of-16-o";
/// How long the array is gone.
const GONE: Duration = Duration::from_secs(12);
/// The patience of the agent on s2; that on s1 has the usual one, which is longer than the array is gone.
const SHORT_PATIENCE: Duration = Duration::from_secs(3);
const SETTLES_WITHIN: Duration = Duration::from_secs(40);
const SEED: u64 = 3;

#[test]
fn what_stands_in_the_way_is_said() -> Result<()> {
    let _turn = remnants::turn()?;
    Storage::deployed(Layout::default(), None, &[(1, 16)])?.check(|storage| {
        let cli = storage.cli()?;
        let Err(error) = cli.run("profile create x --vhba hba0,san=nowhere,wwn-pool=wwns") else {
            bail!("a SAN that is not there was accepted")
        };
        ensure!(format!("{error:#}").contains("nowhere"), "the error does not name the SAN: {error:#}");

        storage.array.add_target("locked", &[(1, 1 << 20)])?;
        storage.array.require_chap("locked", "vhba", SECRET)?;
        let locked = storage.array.uri("locked");
        let portal = storage.array.portal();
        let shut = locked.replace(&portal.to_string(), &format!("{}:3999", portal.ip()));
        for (san, port) in [("locked", locked.as_str()), ("shut", &shut)] {
            cli.run(&format!("san create {san} --port {port}"))?;
            cli.run(&format!("profile create {san} --vhba hba0,san={san},wwn-pool=wwns"))?;
            cli.run(&format!("profile deploy {san} --server s2"))?;
        }
        let wwpn = cli.vhba("locked/hba0")?.wwpn;
        storage.array.admit("locked", &wwpn)?;
        says(storage, "shut/hba0", &["refused", "connect"])?;
        says(storage, "locked/hba0", &["authentication", "chap"])?;
        set_chap(storage, "another-secret-1")?;
        says(storage, "locked/hba0", &["authentication", "chap"])?;
        set_chap(storage, SECRET)?;
        storage.lab.export_of(&cli, "locked/hba0", 1)?;
        storage.lab.export(&cli, 1)?;
        all_run(storage)
    })
}

/// Waits until the API says what is wrong with a vHBA, in one of these words.
fn says(storage: &Storage, vhba: &str, words: &[&str]) -> Result<()> {
    let problem = storage.cli()?.wait_for_vhba(vhba, SAID_WITHIN, |it| {
        let problem = it.session.as_ref().map(|it| it.problem.to_lowercase()).unwrap_or_default();
        words.iter().any(|word| problem.contains(word))
    });
    let seen = problem.with_context(|| format!("nothing of {words:?} is said"))?;
    println!("{vhba}: {}", seen.session.unwrap_or_default().problem);
    Ok(())
}

fn set_chap(storage: &Storage, secret: &str) -> Result<()> {
    storage.lab.api("d1")?.run(async |channel| {
        let mut sans = SanServiceClient::new(channel);
        let request = v1::GetSanRequest { name: "sans/locked".to_owned(), stale_ok: false };
        let mut san = sans.get_san(request).await.context("GetSan")?.into_inner();
        san.chap = Some(v1::Chap { user: "vhba".to_owned(), secret: secret.to_owned() });
        let request = v1::UpdateSanRequest { san: Some(san), ..Default::default() };
        let updated = sans.update_san(request).await.context("UpdateSan")?.into_inner().san.unwrap_or_default();
        let shown = updated.chap.context("the SAN has no CHAP")?;
        ensure!(shown.secret.is_empty() && shown.user == "vhba", "the API shows the secret, or not the user");
        Ok(())
    })
}

#[test]
fn io_waits_for_an_array_that_is_gone_and_fails_only_when_its_time_is_out() -> Result<()> {
    let _turn = remnants::turn()?;
    let layout = Layout { servers: vec!["s1".to_owned(), "s2".to_owned()], ..Layout::default() };
    Storage::deployed(layout, None, &[(1, 16)])?.check(|storage| {
        let cli = storage.cli()?;
        restart_with_short_patience(storage)?;
        storage.array.add_target("other", &[(1, 16 << 20)])?;
        cli.run(&format!("san create other --port {}", storage.array.uri("other")))?;
        cli.run("profile create db-2 --vhba hba0,san=other,wwn-pool=wwns")?;
        storage.array.admit("other", &cli.vhba("db-2/hba0")?.wwpn)?;
        cli.run("profile deploy db-2 --server s2")?;
        let load = |vhba| {
            let socket = storage.lab.export_of(&cli, vhba, 1)?;
            Ok::<_, anyhow::Error>(Load::new(NbdDisk::attach(&socket)?, BLOCKS, SEED, Shared::default()))
        };
        let (mut patient, mut impatient) = (load(VHBA)?, load("db-2/hba0")?);
        for _ in 0..50 {
            patient.turn()?;
            impatient.turn()?;
        }
        storage.array.power_cut()?;
        let end = Instant::now() + GONE;
        while Instant::now() < end {
            patient.turn()?;
            impatient.turn()?;
        }
        let errors = impatient.tally().errors;
        ensure!(errors > 0, "no error after {GONE:?} with a patience of {SHORT_PATIENCE:?}");
        storage.array.power_on()?;
        for load in [&mut patient, &mut impatient] {
            load.settle(SETTLES_WITHIN)?;
        }
        storage.lab.export_of(&cli, "db-2/hba0", 1)?;
        for load in [&mut patient, &mut impatient] {
            load.read_all(SETTLES_WITHIN)?;
            (0..50).try_for_each(|_| load.turn())?;
            load.settle(SETTLES_WITHIN)?;
            load.read_all(SETTLES_WITHIN)?;
        }
        let (patient, impatient) = (patient.finish(), impatient.finish());
        println!("errors: {} of the patient, {} of the impatient", patient.errors, impatient.errors);
        ensure!(patient.errors == 0, "I/O failed that should have waited: {} errors", patient.errors);
        ensure!(patient.violations.is_empty() && impatient.violations.is_empty(), "{patient:?}, {impatient:?}");
        all_run(storage)
    })
}

fn restart_with_short_patience(storage: &mut Storage) -> Result<()> {
    storage.lab.kill("s2")?;
    storage.lab.start_with("s2", |file| {
        let vhba = file.entry("vhba").or_insert_with(|| toml::Table::new().into());
        let patience = SHORT_PATIENCE.as_secs() as i64;
        vhba.as_table_mut().map(|it| it.insert("io_timeout_s".to_owned(), patience.into()));
    })
}

fn all_run(storage: &mut Storage) -> Result<()> {
    let names = [storage.lab.layout.director_names(), storage.lab.layout.servers.clone()].concat();
    for name in names {
        ensure!(storage.lab.is_running(&name)?, "what ran on {name} has died");
    }
    eventually(SAID_WITHIN, "the disk of the first vHBA", || Ok(storage.cli()?.vhba(VHBA)?.is_admitted().then_some(())))
}
