//! The `kubus` command.

fn main() {
    std::process::exit(kubus_cli::run::main());
}
