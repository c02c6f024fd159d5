//! What went wrong, in kubectl's words.

use kubus_client::BusError;
use kubus_proto::{ApiError, Reason};

/// A command failed; its `Display` is what stands on stderr.
#[derive(Debug)]
pub enum CliError {
    /// Printed behind `error: `.
    Message(String),
    /// The apiserver refused.
    Api(ApiError),
    /// The apiserver could not be asked; says what to do.
    Connection(String),
    /// Several things went wrong, each on its own line.
    Many(Vec<CliError>),
    /// Everything is said; only the exit code is left.
    Exit(i32),
}

/// What commands return.
pub type Result<T, E = CliError> = std::result::Result<T, E>;

/// Leaves the function with [`CliError::Message`].
#[macro_export]
macro_rules! fail {
    ($($arg:tt)*) => { return Err($crate::error::CliError::Message(format!($($arg)*))) };
}

impl CliError {
    /// An `error: …`.
    pub fn message(text: impl Into<String>) -> Self {
        CliError::Message(text.into())
    }

    /// `errors` as one; `Ok` for none.
    pub fn all(mut errors: Vec<CliError>) -> Result<()> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(CliError::Many(errors)),
        }
    }

    /// Exit code of the process.
    pub fn exit_code(&self) -> i32 {
        match self {
            CliError::Exit(code) => *code,
            _ => 1,
        }
    }

    /// Whether the apiserver gave this reason.
    pub fn is(&self, reason: Reason) -> bool {
        matches!(self, CliError::Api(error) if error.reason == reason)
    }

    /// Says which file a refused request came from: `error when creating "f.yml": …`.
    pub fn about_source(self, doing: &str, source: &str) -> Self {
        match self {
            CliError::Api(mut error) if !source.is_empty() => {
                error.message = format!("error when {doing} {source:?}: {}", error.message);
                CliError::Api(error)
            }
            other => other,
        }
    }
}

impl std::error::Error for CliError {}

impl std::fmt::Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CliError::Message(text) if text.starts_with("error: ") => f.write_str(text),
            CliError::Message(text) => write!(f, "error: {text}"),
            CliError::Connection(text) => f.write_str(text),
            CliError::Api(error) => f.write_str(&api_text(error)),
            CliError::Many(errors) => {
                let lines: Vec<String> = errors
                    .iter()
                    .map(|error| match error {
                        // Among several, kubectl leaves the prefix out.
                        CliError::Message(text) => text.clone(),
                        other => other.to_string(),
                    })
                    .collect();
                f.write_str(&lines.join("\n"))
            }
            CliError::Exit(_) => Ok(()),
        }
    }
}

fn api_text(error: &ApiError) -> String {
    match error.reason {
        Reason::Invalid if !error.causes.is_empty() || !error.kind.is_empty() => {
            let head = format!("The {} {:?} is invalid", error.kind, error.name);
            let mut causes: Vec<String> = Vec::new();
            for cause in &error.causes {
                let text = format!("{}: {}", cause.field, cause.message);
                if !causes.contains(&text) {
                    causes.push(text);
                }
            }
            match causes.as_slice() {
                [] => head,
                [one] => format!("{head}: {one}"),
                many => format!("{head}: \n* {}", many.join("\n* ")),
            }
        }
        Reason::Invalid => format!("The request is invalid: {}", error.message),
        Reason::Unauthorized => format!("error: You must be logged in to the server ({})", error.message),
        Reason::Unknown => format!("Error from server: {}", error.message),
        reason => format!("Error from server ({reason:?}): {}", error.message),
    }
}

impl From<ApiError> for CliError {
    fn from(error: ApiError) -> Self {
        CliError::Api(error)
    }
}

impl From<BusError> for CliError {
    fn from(error: BusError) -> Self {
        match error {
            BusError::Api(error) => CliError::Api(error),
            BusError::Unreachable { servers, reason } => CliError::Connection(format!(
                "Unable to connect to the server: cannot reach the bus at {servers}: {reason}\n\
                 Is the cluster running? Try: kubus up"
            )),
            BusError::Refused { identity } => CliError::Connection(format!(
                "error: the bus refuses the credentials of {identity:?}\n\
                 They belong to another cluster or were replaced. Name the right file with --credentials, or the \
                 right folder with --home."
            )),
            BusError::NoLeader { waited_ms } => CliError::Connection(format!(
                "Unable to connect to the server: the bus answers, but no apiserver leader did within {:.1} s\n\
                 Too few apiservers are running to elect one, or they are still starting. Try: kubus up",
                waited_ms as f64 / 1000.0
            )),
            BusError::Codec(error) => CliError::Message(format!("the apiserver gave an answer that is none: {error}")),
        }
    }
}

impl From<crate::jsonpath::JsonPathError> for CliError {
    fn from(error: crate::jsonpath::JsonPathError) -> Self {
        CliError::Message(error.to_string())
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        CliError::Message(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::status::Cause;

    fn cause(field: &str, message: &str) -> Cause {
        Cause { reason: "FieldValueInvalid".into(), message: message.into(), field: field.into() }
    }

    #[test]
    fn errors_read_as_kubectls() {
        let one = ApiError::invalid("apps", "Deployment", "a", vec![cause("spec.replicas", "Invalid value: -1")]);
        let two = ApiError::invalid("", "Pod", "a", vec![cause("x", "Required value"), cause("y", "Invalid value")]);
        for (error, expected) in [
            (CliError::Api(ApiError::not_found("", "pods", "x")), "Error from server (NotFound): pods \"x\" not found"),
            (CliError::Api(one), "The Deployment \"a\" is invalid: spec.replicas: Invalid value: -1"),
            (CliError::Api(two), "The Pod \"a\" is invalid: \n* x: Required value\n* y: Invalid value"),
            (CliError::message("no"), "error: no"),
            (
                CliError::Many(vec![CliError::message("a"), CliError::Api(ApiError::not_found("", "pods", "x"))]),
                "a\nError from server (NotFound): pods \"x\" not found",
            ),
            (
                CliError::Api(ApiError::not_found("apps", "deployments", "x")).about_source("deleting", "f.yml"),
                "Error from server (NotFound): error when deleting \"f.yml\": deployments.apps \"x\" not found",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}
