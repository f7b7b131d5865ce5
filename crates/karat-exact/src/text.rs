//! Numbers, dates and times out of text, byte by byte, without losing a digit.

use arrow::datatypes::i256;

use crate::numbers::{POWERS, fits, fits_wide, power_wide};

/// A decimal number in text as unscaled value of `scale`; `None` if it is none, does not fit, or a non-zero digit would be lost.
pub(crate) fn decimal(text: &[u8], precision: u8, scale: i8) -> Option<i128> {
    let (negative, digits) = sign(text);
    // Short numbers without exponent: one pass over the digits.
    if digits.len() <= 19 && scale >= 0 {
        let (mut value, mut places, mut seen, mut point) = (0u64, 0i32, false, false);
        let mut plain = true;
        for byte in digits {
            match byte {
                b'0'..=b'9' => {
                    value = value * 10 + u64::from(byte - b'0');
                    seen = true;
                    places += i32::from(point);
                }
                b'.' if !point => point = true,
                _ => {
                    plain = false;
                    break;
                }
            }
        }
        if plain {
            if !seen {
                return None;
            }
            let k = i32::from(scale) - places;
            let value = if k >= 0 {
                i128::from(value).checked_mul(*POWERS.get(k as usize)?)?
            } else {
                let divisor = POWERS[(-k) as usize];
                if i128::from(value) % divisor != 0 {
                    return None;
                }
                i128::from(value) / divisor
            };
            return fits(value, precision).then_some(if negative { -value } else { value });
        }
    }
    let (significand, places) = scan(digits)?;
    let value = rescaled(&significand, places, scale)?.to_i128()?;
    fits(value, precision).then_some(if negative { -value } else { value })
}

/// Like [`decimal`] for up to 76 digits.
pub(crate) fn decimal_wide(text: &[u8], precision: u8, scale: i8) -> Option<i256> {
    let (negative, digits) = sign(text);
    let (significand, places) = scan(digits)?;
    let value = rescaled(&significand, places, scale)?;
    fits_wide(value, precision).then_some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// An integer in text; `12.0` and `1e3` are integers too.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = sign(text);
    if (1..=18).contains(&digits.len()) {
        let mut value = 0i64;
        let mut plain = true;
        for byte in digits {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                plain = false;
                break;
            }
            value = value * 10 + i64::from(digit);
        }
        if plain {
            return Some(if negative { -value } else { value });
        }
    }
    i64::try_from(decimal(text, 38, 0)?).ok()
}

/// The double nearest to the number in text; a number beyond the largest double is none.
pub(crate) fn double(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let value: f64 = text.parse().ok()?;
    if value.is_infinite() && bytes.iter().any(u8::is_ascii_digit) {
        return None;
    }
    Some(crate::numbers::canonical(value))
}

/// true, t, yes, y, on, 1 and their opposites, in any case.
pub(crate) fn boolean(text: &[u8]) -> Option<bool> {
    const TRUE: [&[u8]; 6] = [b"true", b"t", b"yes", b"y", b"on", b"1"];
    const FALSE: [&[u8]; 6] = [b"false", b"f", b"no", b"n", b"off", b"0"];
    if TRUE.iter().any(|word| word.eq_ignore_ascii_case(text)) {
        return Some(true);
    }
    FALSE
        .iter()
        .any(|word| word.eq_ignore_ascii_case(text))
        .then_some(false)
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text.first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

/// Digits without leading and trailing zeros, and how many of them are decimal places (negative: zeros that follow).
fn scan(text: &[u8]) -> Option<(Vec<u8>, i64)> {
    let (mut digits, mut places, mut seen, mut point, mut exponent) =
        (Vec::new(), 0i64, false, false, 0i64);
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'0'..=b'9' => {
                seen = true;
                places += i64::from(point);
                if *byte != b'0' || !digits.is_empty() {
                    digits.push(*byte);
                }
            }
            b'.' if !point => point = true,
            b'e' | b'E' if seen => {
                let (negative, power) = sign(rest);
                if power.is_empty() || power.len() > 9 || !power.iter().all(u8::is_ascii_digit) {
                    return None;
                }
                let value = power.iter().fold(0i64, |v, b| v * 10 + i64::from(b - b'0'));
                exponent = if negative { -value } else { value };
                break;
            }
            _ => return None,
        }
    }
    if !seen {
        return None;
    }
    places -= exponent;
    while digits.last() == Some(&b'0') {
        digits.pop();
        places -= 1;
    }
    Some((digits, places))
}

fn rescaled(digits: &[u8], places: i64, scale: i8) -> Option<i256> {
    if digits.is_empty() {
        return Some(i256::ZERO);
    }
    let k = i64::from(scale) - places;
    // Trailing zeros are gone, so fewer places would lose a digit.
    if !(0..=76).contains(&k) || digits.len() > 76 {
        return None;
    }
    let mut value = i256::ZERO;
    for chunk in digits.chunks(18) {
        let part = chunk
            .iter()
            .fold(0i128, |v, b| v * 10 + i128::from(b - b'0'));
        value = value
            .checked_mul(power_wide(chunk.len() as u32))?
            .checked_add(i256::from_i128(part))?;
    }
    value.checked_mul(power_wide(k as u32))
}

/// Days since 1970-01-01 of a day in the proleptic Gregorian calendar, years 1 to 9999.
pub(crate) fn days(year: i64, month: i64, day: i64) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=9999).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some((era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468) as i32)
}

fn number(text: &[u8]) -> Option<i64> {
    let mut value = 0i64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(value)
}

/// `2024-02-29`.
pub(crate) fn date(text: &[u8]) -> Option<i32> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    days(
        number(&text[..4])?,
        number(&text[5..7])?,
        number(&text[8..])?,
    )
}

/// Microseconds since midnight of `12:34`, `12:34:56`, `12:34:56.789`; digits beyond microseconds must be 0.
pub(crate) fn time(text: &[u8]) -> Option<i64> {
    if text.len() < 5 || text[2] != b':' {
        return None;
    }
    let (hour, minute) = (number(&text[..2])?, number(&text[3..5])?);
    let (mut second, mut micros) = (0, 0);
    if text.len() > 5 {
        if text.len() < 8 || text[5] != b':' {
            return None;
        }
        second = number(&text[6..8])?;
        if text.len() > 8 {
            if text[8] != b'.' {
                return None;
            }
            micros = fraction(&text[9..])?;
        }
    }
    (hour < 24 && minute < 60 && second < 60)
        .then_some(((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

/// Decimal places of a second in microseconds.
pub(crate) fn fraction(text: &[u8]) -> Option<i64> {
    if text.is_empty() {
        return None;
    }
    let (head, tail) = text.split_at(text.len().min(6));
    if tail.iter().any(|byte| *byte != b'0') {
        return None;
    }
    Some(number(head)? * [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1][head.len()])
}

/// What a timestamp's text says: local microseconds since 1970, and its offset in seconds if it has one.
pub(crate) struct Moment {
    pub(crate) local_us: i64,
    pub(crate) offset_s: Option<i64>,
}

/// `2024-02-29`, `2024-02-29 12:34:56.789`, also with `T`, and with `Z`, `+01`, `+0100`, `+01:00` (a space before it may stand).
pub(crate) fn timestamp(text: &[u8]) -> Option<Moment> {
    if text.len() < 10 {
        return None;
    }
    let day = date(&text[..10])?;
    let rest = &text[10..];
    if rest.is_empty() {
        return Some(Moment {
            local_us: i64::from(day) * 86_400_000_000,
            offset_s: None,
        });
    }
    if rest[0] != b' ' && rest[0] != b'T' && rest[0] != b't' {
        return None;
    }
    let rest = &rest[1..];
    let end = rest
        .iter()
        .position(|b| matches!(b, b'Z' | b'z' | b'+' | b'-' | b' '))
        .unwrap_or(rest.len());
    let clock = time(&rest[..end])?;
    let mut zone = &rest[end..];
    if zone.first() == Some(&b' ') {
        zone = &zone[1..];
        if zone.is_empty() {
            return None;
        }
    }
    let offset_s = if zone.is_empty() {
        None
    } else {
        Some(offset(zone)?)
    };
    Some(Moment {
        local_us: i64::from(day) * 86_400_000_000 + clock,
        offset_s,
    })
}

/// Seconds of `Z`, `+01`, `+0100`, `+01:00`.
pub(crate) fn offset(text: &[u8]) -> Option<i64> {
    if text.eq_ignore_ascii_case(b"z") {
        return Some(0);
    }
    let sign = match text.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let text = &text[1..];
    let (hours, minutes) = match text.len() {
        2 => (number(text)?, 0),
        4 => (number(&text[..2])?, number(&text[2..])?),
        5 if text[2] == b':' => (number(&text[..2])?, number(&text[3..])?),
        _ => return None,
    };
    (hours <= 15 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}
