//! The binary: everything is in the library, so that tests and benches share one build of it.

use std::process::ExitCode;

fn main() -> ExitCode {
    countersign::cli::main()
}
