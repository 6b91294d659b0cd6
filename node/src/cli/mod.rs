//! The client commands: nouns and verbs, thin over the public API.
//!
//! ```text
//!   twinrail [options] <noun> <verb> …
//!               │         └── noun/*      one file a noun: its verbs, and its rows for people
//!               ▼
//!            session      deadline, request id and actor of every call
//!            endpoints    the directors that may be asked, one after the other until one answers
//!            output       tables for people, JSON (Protobuf's mapping) for programs, plans for --dry-run
//!            failure      what went wrong, in words, with what was probably meant
//! ```
//!
//! * Every method of the API has a command.
//! * Exit code 0: done; 1: refused or failed; 2: the command line was wrong (nothing was sent);
//!   3: the change is committed, but is not in force within the time.
//! * Standard output has the answer alone; everything else goes to standard error.
//! * Updates read the resource, change what was named, and send it back with its etag: nobody's change is lost.

mod endpoints;
mod failure;
mod noun;
mod output;
mod session;
mod spec;
mod text;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

pub use noun::{DirectorCommand, ServerCommand};

use failure::Failure;
use noun::{
    ClusterCommand, EventCommand, FailoverCommand, LanCommand, PoolCommand, ProfileCommand, QosCommand, SanCommand,
    TemplateCommand, VhbaCommand, VnicCommand,
};
use session::Session;

/// What all client commands have in common.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Client options")]
pub struct Options {
    /// Where a director's API is; repeat it or separate by commas: the next is asked when one does not answer.
    #[arg(
        long,
        global = true,
        env = "TWINRAIL_ENDPOINT",
        value_name = "URL",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:7400"
    )]
    endpoint: Vec<String>,
    /// How long a call may take, an election included.
    #[arg(long, global = true, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// The id under which a change acts once, however often it is sent. A new one when not given.
    #[arg(long, global = true, value_name = "ID")]
    request_id: Option<String>,
    /// Only say what a change would do.
    #[arg(long, global = true)]
    dry_run: bool,
    /// Read what the asked director has, without asking a quorum.
    #[arg(long, global = true)]
    stale: bool,
    /// For people or for programs.
    #[arg(long, short, global = true, value_enum, default_value_t)]
    output: Format,
}

/// Only verbs that change something that is there have it: what is new has no etag, and neither has the cluster.
#[derive(Args, Debug)]
pub struct Precondition {
    /// Refuse the change unless this is the current etag; an adapter has that of its profile.
    #[arg(long, value_name = "ETAG", help_heading = "Client options")]
    if_match: Option<String>,
}

impl Precondition {
    /// Empty: any.
    fn etag(self) -> String {
        self.if_match.unwrap_or_default()
    }

    /// For a resource that is written whole: what the user demands, or else what we read.
    fn or(self, read: String) -> String {
        self.if_match.unwrap_or(read)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Json,
}

/// The nouns that only clients have. `director` and `server` are programs too: their verbs are apart.
#[derive(Subcommand, Debug)]
pub enum Client {
    /// Networks outside, and the device by which each director reaches them.
    #[command(subcommand)]
    Lan(LanCommand),
    /// Storage networks outside, and the port by which each director reaches them.
    #[command(subcommand)]
    San(SanCommand),
    /// Ranges from which MACs and world-wide names are drawn.
    #[command(subcommand)]
    Pool(PoolCommand),
    /// Classes of service.
    #[command(subcommand)]
    Qos(QosCommand),
    /// What profiles are made from.
    #[command(subcommand)]
    Template(TemplateCommand),
    /// Sets of adapters that move as one.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Virtual network cards: PROFILE/VNIC.
    #[command(subcommand)]
    Vnic(VnicCommand),
    /// Virtual Fibre Channel host bus adapters: PROFILE/VHBA.
    #[command(subcommand)]
    Vhba(VhbaCommand),
    /// The cluster as a whole.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// What happened when homes changed, and how fast.
    #[command(subcommand)]
    Failover(FailoverCommand),
    /// Changes as they happen.
    #[command(subcommand)]
    Event(EventCommand),
    /// Prints a completion script for a shell.
    Completion { shell: clap_complete::Shell },
}

/// One client command.
#[derive(Debug)]
pub enum Request {
    Client(Client),
    Director(DirectorCommand),
    Server(ServerCommand),
}

/// Runs a client command and prints its answer or its failure. `program` is the whole command line, for completion.
pub async fn run(options: Options, request: Request, program: clap::Command) -> ExitCode {
    if let Request::Client(Client::Completion { shell }) = &request {
        return complete(*shell, program);
    }
    let session = Session::new(options);
    match dispatch(&session, request).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.explain(&session).await);
            failure.exit_code()
        }
    }
}

async fn dispatch(session: &Session, request: Request) -> Result<(), Failure> {
    match request {
        Request::Director(command) => command.run(session).await,
        Request::Server(command) => command.run(session).await,
        Request::Client(Client::Lan(command)) => command.run(session).await,
        Request::Client(Client::San(command)) => command.run(session).await,
        Request::Client(Client::Pool(command)) => command.run(session).await,
        Request::Client(Client::Qos(command)) => command.run(session).await,
        Request::Client(Client::Template(command)) => command.run(session).await,
        Request::Client(Client::Profile(command)) => command.run(session).await,
        Request::Client(Client::Vnic(command)) => command.run(session).await,
        Request::Client(Client::Vhba(command)) => command.run(session).await,
        Request::Client(Client::Cluster(command)) => command.run(session).await,
        Request::Client(Client::Failover(command)) => command.run(session).await,
        Request::Client(Client::Event(command)) => command.run(session).await,
        Request::Client(Client::Completion { .. }) => unreachable!("answered without a session"),
    }
}

fn complete(shell: clap_complete::Shell, mut program: clap::Command) -> ExitCode {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut script);
    output::say(String::from_utf8_lossy(&script).trim_end());
    ExitCode::SUCCESS
}
