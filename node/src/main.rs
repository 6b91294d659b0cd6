//! `twinrail director`, `twinrail server`, and the client commands.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory, Parser, Subcommand};
use twinrail::config::{DirectorConfig, ServerConfig};
use twinrail::{agent, cli, config, director, telemetry};
use twinrail_datapath::Priority;

/// Directors make many small objects a call, on several threads: a fifth of their time went into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An I/O director as a cluster: virtual network cards and Fibre Channel adapters that belong to the application.
#[derive(Parser)]
#[command(name = "twinrail", version, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    options: cli::Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs this machine as a director (--config), or speaks of the cluster's directors.
    Director(DirectorArguments),
    /// Runs the agent of this server (--config), or speaks of the cluster's servers.
    Server(ServerArguments),
    #[command(flatten)]
    Client(cli::Client),
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct DirectorArguments {
    /// Run as a director, with this configuration (TOML).
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<cli::DirectorCommand>,
}

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct ServerArguments {
    /// Run as a server's agent, with this configuration (TOML).
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<cli::ServerCommand>,
}

fn main() -> ExitCode {
    let Arguments { options, command } = Arguments::try_parse().unwrap_or_else(|error| with_reason(error).exit());
    match command {
        Command::Director(DirectorArguments { config: Some(config), .. }) => exit_code(run_director(&config)),
        Command::Server(ServerArguments { config: Some(config), .. }) => exit_code(run_server(&config)),
        Command::Director(DirectorArguments { command: Some(command), .. }) => {
            run_client(options, cli::Request::Director(command))
        }
        Command::Server(ServerArguments { command: Some(command), .. }) => {
            run_client(options, cli::Request::Server(command))
        }
        Command::Client(command) => run_client(options, cli::Request::Client(command)),
        Command::Director(_) | Command::Server(_) => unreachable!("clap asks for --config or a verb"),
    }
}

/// Who writes `--if-match` where it means nothing is told so, not only that the flag is not known.
fn with_reason(mut error: clap::Error) -> clap::Error {
    if let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg)
        && flag == "--if-match"
    {
        let reason = "an etag belongs to a resource that is there: give it, behind the verb, to what changes one";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![reason.into()]));
    }
    error
}

fn exit_code(done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("twinrail: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_client(options: cli::Options, request: cli::Request) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(cli::run(options, request, Arguments::command())),
        Err(error) => exit_code(Err(error.into())),
    }
}

fn run_director(path: &Path) -> anyhow::Result<()> {
    let config: DirectorConfig = config::load(path)?;
    runtime()?.block_on(async {
        let _telemetry = telemetry::start(&config.telemetry, "twinrail-director", config.name.as_str())?;
        Ok(director::run(config).await?)
    })
}

fn run_server(path: &Path) -> anyhow::Result<()> {
    let config: ServerConfig = config::load(path)?;
    runtime()?.block_on(async {
        let _telemetry = telemetry::start(&config.telemetry, "twinrail-server", config.name.as_str())?;
        Ok(agent::run(config).await?)
    })
}

/// Of directors and agents: homes and leases must not wait for what else the machine does.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    Priority::Deciding.take();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
