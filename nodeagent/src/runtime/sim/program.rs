//! What a pretended program does, read from its command.

use std::time::Duration;

/// A program's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Runs until it is told to stop.
    Runs,
    /// Ends by itself.
    Ends {
        /// How long it runs.
        after: Duration,
        /// Its exit code.
        code: i32,
    },
}

impl Program {
    /// Of a command line: every `sleep N` (seconds) adds to its life and the first `exit N` ends it; `true`, `false` and
    /// `echo` as the whole program end at once. A `sleep infinity` or a loop runs for ever.
    pub fn of(command: &[String], args: &[String]) -> Self {
        let line = command.iter().chain(args).map(String::as_str).collect::<Vec<_>>().join(" ");
        let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || c == ';').filter(|w| !w.is_empty()).collect();
        if words.contains(&"while") || words.contains(&"infinity") {
            return Program::Runs;
        }
        let (mut after, mut sleeps) = (Duration::ZERO, false);
        for pair in words.windows(2) {
            match *pair {
                ["sleep", seconds] => {
                    sleeps = true;
                    after += seconds
                        .parse::<f64>()
                        .ok()
                        .and_then(|s| Duration::try_from_secs_f64(s).ok())
                        .unwrap_or_default();
                }
                ["exit", code] => return Program::Ends { after, code: code.parse().unwrap_or(0) },
                _ => {}
            }
        }
        match words.first() {
            Some(&"false") => Program::Ends { after, code: 1 },
            Some(&("true" | "echo")) => Program::Ends { after, code: 0 },
            _ if sleeps => Program::Ends { after, code: 0 },
            _ => Program::Runs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_tell_how_a_program_ends() {
        let ends = |ms, code| Program::Ends { after: Duration::from_millis(ms), code };
        for (line, program) in [
            ("", Program::Runs),
            ("nginx -g daemon", Program::Runs),
            ("sleep infinity", Program::Runs),
            ("sleep 2", ends(2_000, 0)),
            ("sh -c sleep 0.5; exit 3", ends(500, 3)),
            ("sh -c exit 1", ends(0, 1)),
            ("false", ends(0, 1)),
            ("echo hello", ends(0, 0)),
            ("sh -c while true; do sleep 1; done", Program::Runs),
        ] {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(Program::of(&words, &[]), program, "{line}");
        }
    }
}
