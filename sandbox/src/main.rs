//! The program `perceptis-sandbox`.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is a program")]

mod cli;

use std::process::ExitCode;

use cli::arguments::{self, Command};
use cli::{exec, serve};

fn main() -> ExitCode {
    let command = match arguments::read(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(message) => {
            eprintln!("perceptis-sandbox: {message}\nTry perceptis-sandbox --help");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("perceptis-sandbox: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = match command {
        Command::Help => {
            print!("{}", arguments::HELP);
            ExitCode::SUCCESS
        }
        Command::Scenarios => {
            print!("{}", perceptis_sandbox::scenarios());
            ExitCode::SUCCESS
        }
        Command::Version => {
            println!("perceptis-sandbox {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Command::Serve { settings, exit_on_stdin_eof } => {
            runtime.block_on(serve::serve(&settings, exit_on_stdin_eof))
        }
        Command::Exec { settings, program, arguments } => {
            runtime.block_on(exec::exec(&settings, &program, &arguments))
        }
    };
    // A read of standard input can't be cancelled. The program does not wait for it.
    runtime.shutdown_background();
    code
}
