//! The program `ratelog-dashboard`.

use std::error::Error;
use std::io::Read;
use std::process::ExitCode;

use clap::Parser;
use ratelog_dashboard::{
    CommandLine, Settings, Subcommands, hash_password, serve, unknown_variables,
};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    let result = match command_line.command {
        Some(Subcommands::HashPassword) => print_hash(),
        None => run(command_line.settings),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ratelog-dashboard: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_hash() -> Result<(), Box<dyn Error>> {
    let mut password = String::new();
    std::io::stdin().read_to_string(&mut password)?;
    println!("{}", hash_password(password.trim_end_matches(['\r', '\n']))?);
    Ok(())
}

#[tokio::main]
async fn run(settings: Settings) -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    // Standard output has the audit.
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in unknown_variables(variables) {
        tracing::warn!("the variable {name} has no effect: no option has it; --help lists them");
    }
    let running = serve(settings).await?;
    shutdown_signal().await;
    running.stop().await;
    Ok(())
}

/// Waits for the signal to stop.
async fn shutdown_signal() {
    use tokio::signal::unix::{SignalKind, signal};

    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
