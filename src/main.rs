//! The `perennial` program.

fn main() -> std::process::ExitCode {
    perennial::cli::main()
}
