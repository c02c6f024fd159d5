//! Resource quantities (`500m`, `64Mi`, `1e3`): parsed, compared and written in canonical form.
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>

/// Suffix family a quantity was written with; it is kept when it is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `k`, `M`, `G`, …, `m`, `u`, `n` or none
    Decimal,
    /// `Ki`, `Mi`, `Gi`, …
    Binary,
    /// `1e3`
    Exponent,
}

/// An exact amount, in units of 10⁻⁹.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    nano: i128,
    format: Format,
}

/// The text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
pub struct QuantityError;

const NANO: i128 = 1_000_000_000;
const BINARY: [(&str, u32); 6] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
/// Suffix and power of ten, largest first.
const DECIMAL: [(&str, i32); 10] =
    [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6), ("n", -9)];

impl Quantity {
    /// Zero, in decimal form.
    pub const ZERO: Quantity = Quantity { nano: 0, format: Format::Decimal };

    /// Reads a quantity. What is smaller than 10⁻⁹ is rounded up, as Kubernetes does.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let end = text
            .char_indices()
            .find(|(i, c)| !(c.is_ascii_digit() || *c == '.' || (*i == 0 && (*c == '+' || *c == '-'))))
            .map_or(text.len(), |(i, _)| i);
        let (number, suffix) = text.split_at(end);
        let (negative, digits) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || digits.len() > 30 {
            return Err(QuantityError);
        }
        let mantissa: i128 = format!("{whole}{fraction}").parse().map_err(|_| QuantityError)?;
        let scale = i32::try_from(fraction.len()).map_err(|_| QuantityError)?;
        let (format, binary, decimal) = if let Some((_, bits)) = BINARY.iter().find(|(s, _)| *s == suffix) {
            (Format::Binary, *bits, 0)
        } else if let Some((_, power)) = DECIMAL.iter().find(|(s, _)| *s == suffix) {
            (Format::Decimal, 0, *power)
        } else if let Some(exponent) = suffix.strip_prefix(['e', 'E']) {
            (Format::Exponent, 0, exponent.parse::<i8>().map_err(|_| QuantityError)?.into())
        } else {
            return Err(QuantityError);
        };
        let power = decimal + 9 - scale;
        let mut nano = mantissa.checked_mul(1i128 << binary).ok_or(QuantityError)?;
        if power >= 0 {
            let factor = 10i128.checked_pow(power.unsigned_abs()).ok_or(QuantityError)?;
            nano = nano.checked_mul(factor).ok_or(QuantityError)?;
        } else {
            let factor = 10i128.checked_pow(power.unsigned_abs()).ok_or(QuantityError)?;
            nano = nano / factor + i128::from(nano % factor != 0);
        }
        Ok(Self { nano: if negative { -nano } else { nano }, format })
    }

    /// A whole number of thousandths, in decimal form.
    pub fn from_milli(milli: i64) -> Self {
        Self { nano: i128::from(milli) * (NANO / 1000), format: Format::Decimal }
    }

    /// A whole number, in binary form (bytes).
    pub fn from_bytes(bytes: i64) -> Self {
        Self { nano: i128::from(bytes) * NANO, format: Format::Binary }
    }

    /// Rounded up to a whole number, at most `i64::MAX`.
    pub fn value(self) -> i64 {
        ceil_to(self.nano, NANO)
    }

    /// Rounded up to thousandths, at most `i64::MAX`.
    pub fn milli_value(self) -> i64 {
        ceil_to(self.nano, NANO / 1000)
    }

    /// Below zero.
    pub fn is_negative(self) -> bool {
        self.nano < 0
    }

    /// Whether it is a whole number.
    pub fn is_whole(self) -> bool {
        self.nano % NANO == 0
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.nano.cmp(&other.nano))
    }
}

impl std::ops::Add for Quantity {
    type Output = Quantity;
    fn add(self, other: Self) -> Self {
        let format = if self.nano == 0 { other.format } else { self.format };
        Self { nano: self.nano.saturating_add(other.nano), format }
    }
}

/// Canonical form: no fraction, the largest suffix that leaves a whole number.
impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.nano == 0 {
            return f.write_str("0");
        }
        if self.format == Format::Binary && self.nano % NANO == 0 && self.nano.abs() >= 1024 * NANO {
            let value = self.nano / NANO;
            for (suffix, bits) in BINARY {
                if value % (1i128 << bits) == 0 {
                    return write!(f, "{}{suffix}", value >> bits);
                }
            }
            return write!(f, "{value}");
        }
        for (suffix, power) in DECIMAL {
            let unit = 10i128.pow((power + 9).unsigned_abs());
            if self.nano % unit == 0 {
                let value = self.nano / unit;
                return match (self.format, power) {
                    (Format::Exponent, 0) | (Format::Decimal | Format::Binary, _) => write!(f, "{value}{suffix}"),
                    (Format::Exponent, power) => write!(f, "{value}e{power}"),
                };
            }
        }
        write!(f, "{}n", self.nano)
    }
}

fn ceil_to(nano: i128, unit: i128) -> i64 {
    let value = nano.div_euclid(unit) + i128::from(nano.rem_euclid(unit) != 0);
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_writes_canonically() {
        for (text, canonical, milli) in [
            ("0", "0", 0),
            ("1", "1", 1_000),
            ("500m", "500m", 500),
            ("0.5", "500m", 500),
            ("1000m", "1", 1_000),
            ("1500m", "1500m", 1_500),
            ("1.5", "1500m", 1_500),
            ("64Mi", "64Mi", 67_108_864_000),
            ("1024Mi", "1Gi", 1_073_741_824_000),
            ("1.5Gi", "1536Mi", 1_610_612_736_000),
            ("100k", "100k", 100_000_000),
            ("1e3", "1e3", 1_000_000),
            ("-1", "-1", -1_000),
            ("1000Ki", "1000Ki", 1_024_000_000),
            ("2000", "2k", 2_000_000),
        ] {
            let quantity = Quantity::parse(text).expect(text);
            assert_eq!(quantity.to_string(), canonical, "{text}");
            assert_eq!(quantity.milli_value(), milli, "{text}");
        }
        for text in ["", "lots", "1 Gi", "1.2.3", "Mi", "1X", "--1"] {
            assert_eq!(Quantity::parse(text), Err(QuantityError), "{text}");
        }
    }
}
