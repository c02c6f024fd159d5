//! Whether a text is a schedule in crontab's form: five fields, or a word such as `@daily`.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax>

/// A field's name, smallest and largest number, and words for numbers from the smallest on.
struct Field {
    least: u32,
    most: u32,
    words: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { least: 0, most: 59, words: &[] },
    Field { least: 0, most: 23, words: &[] },
    Field { least: 1, most: 31, words: &[] },
    Field {
        least: 1,
        most: 12,
        words: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field { least: 0, most: 6, words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];
const WORDS: &[&str] = &["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Why a text is no schedule, in the words of Kubernetes' parser.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Nothing there.
    #[error("empty spec string")]
    Empty,
    /// Too few or too many fields.
    #[error("expected exactly 5 fields, found {found}: [{all}]")]
    Count {
        /// How many there are.
        found: usize,
        /// All of them.
        all: String,
    },
    /// A word with `@` that is none.
    #[error("unrecognized descriptor: {0}")]
    Descriptor(String),
    /// `@every` without a duration.
    #[error("failed to parse duration {0}: time: invalid duration")]
    Duration(String),
    /// Text where a number belongs.
    #[error("failed to parse int from {0}: strconv.Atoi: parsing {0:?}: invalid syntax")]
    Number(String),
    /// More than one `-`.
    #[error("too many hyphens: {0}")]
    Hyphens(String),
    /// More than one `/`.
    #[error("too many slashes: {0}")]
    Slashes(String),
    /// A number below the field's least.
    #[error("beginning of range ({start}) below minimum ({least}): {text}")]
    Below {
        /// The number.
        start: u32,
        /// The least.
        least: u32,
        /// Where it stands.
        text: String,
    },
    /// A number above the field's most.
    #[error("end of range ({end}) above maximum ({most}): {text}")]
    Above {
        /// The number.
        end: u32,
        /// The most.
        most: u32,
        /// Where it stands.
        text: String,
    },
    /// A range that runs backwards.
    #[error("beginning of range ({start}) beyond end of range ({end}): {text}")]
    Backwards {
        /// Its beginning.
        start: u32,
        /// Its end.
        end: u32,
        /// Where it stands.
        text: String,
    },
    /// A step of nothing.
    #[error("step of range should be a positive number: {0}")]
    Step(String),
}

/// Whether `text` is a schedule.
pub fn check_schedule(text: &str) -> Result<(), ScheduleError> {
    if text.is_empty() {
        return Err(ScheduleError::Empty);
    }
    if text.starts_with('@') {
        return check_word(text);
    }
    let parts: Vec<&str> = text.split_whitespace().collect();
    if parts.len() != FIELDS.len() {
        return Err(ScheduleError::Count { found: parts.len(), all: parts.join(" ") });
    }
    let ranges = parts.iter().zip(&FIELDS).flat_map(|(part, field)| {
        part.split(',').filter(|range| !range.is_empty()).map(move |range| check_range(range, field))
    });
    ranges.collect()
}

fn check_word(text: &str) -> Result<(), ScheduleError> {
    match text.strip_prefix("@every ") {
        Some(duration) if is_duration(duration) => Ok(()),
        Some(_) => Err(ScheduleError::Duration(text.to_owned())),
        None if WORDS.contains(&text) => Ok(()),
        None => Err(ScheduleError::Descriptor(text.to_owned())),
    }
}

/// `1h30m`, `90s`, `1.5h`
fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let unit = ["ns", "us", "µs", "ms", "s", "m", "h"].into_iter().filter(|unit| tail.starts_with(unit));
        let Some(unit) = unit.max_by_key(|unit| unit.len()) else { return false };
        if number.parse::<f64>().is_err() {
            return false;
        }
        rest = &tail[unit.len()..];
    }
    !text.is_empty()
}

/// `*`, `5`, `1-5`, each with a step behind a slash.
fn check_range(text: &str, field: &Field) -> Result<(), ScheduleError> {
    let whole = || text.to_owned();
    let mut parts = text.split('/');
    let (range, step, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let mut ends = range.split('-');
    let (first, last, beyond) = (ends.next().unwrap_or_default(), ends.next(), ends.next());
    let (start, mut end) = match (first, last) {
        ("*" | "?", None) => (field.least, field.most),
        (first, None) => (number(first, field)?, number(first, field)?),
        (first, Some(last)) => (number(first, field)?, number(last, field)?),
    };
    if beyond.is_some() {
        return Err(ScheduleError::Hyphens(whole()));
    }
    if more.is_some() {
        return Err(ScheduleError::Slashes(whole()));
    }
    if let Some(step) = step {
        let step: u32 = step.parse().map_err(|_| ScheduleError::Number(step.to_owned()))?;
        if last.is_none() {
            end = field.most;
        }
        if step == 0 {
            return Err(ScheduleError::Step(whole()));
        }
    }
    if start < field.least {
        return Err(ScheduleError::Below { start, least: field.least, text: whole() });
    }
    if end > field.most {
        return Err(ScheduleError::Above { end, most: field.most, text: whole() });
    }
    if start > end {
        return Err(ScheduleError::Backwards { start, end, text: whole() });
    }
    Ok(())
}

fn number(text: &str, field: &Field) -> Result<u32, ScheduleError> {
    let lower = text.to_lowercase();
    match field.words.iter().position(|word| *word == lower) {
        Some(place) => Ok(field.least + u32::try_from(place).unwrap_or_default()),
        None => text.parse().map_err(|_| ScheduleError::Number(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crontabs_are_read() {
        for text in [
            "* * * * *",
            "*/5 0-12/2 1,15 jan-MAR mon-fri",
            "0 0 ? * 0",
            "5/15 * * * *",
            "@daily",
            "@every 1h30m",
            "@every 1.5s",
        ] {
            assert_eq!(check_schedule(text), Ok(()), "{text}");
        }
        for (text, expected) in [
            ("", "empty spec string"),
            ("nonsense", "expected exactly 5 fields, found 1: [nonsense]"),
            ("* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("1/2/3 * * * *", "too many slashes: 1/2/3"),
            ("x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"),
            ("* * * * 7", "end of range (7) above maximum (6): 7"),
            ("@sometimes", "unrecognized descriptor: @sometimes"),
            ("@every long", "failed to parse duration @every long: time: invalid duration"),
        ] {
            assert_eq!(check_schedule(text).map_err(|e| e.to_string()), Err(expected.to_owned()), "{text}");
        }
    }
}
