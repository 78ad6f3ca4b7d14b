//! Hexadecimal text, as Pinot writes BYTES.

/// Bytes of a text of hexadecimal digits in either case; `None` where it is not one.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| Some((char::from(pair[0]).to_digit(16)? << 4 | char::from(pair[1]).to_digit(16)?) as u8))
        .collect()
}

/// Lower-case hexadecimal text.
pub fn encode(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, b| {
        write!(text, "{b:02x}").expect("writing to a string cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn round_trip_and_refusals() {
        assert_eq!(super::decode("00fFa0"), Some(vec![0, 255, 160]));
        assert_eq!(super::encode(&[0, 255, 160]), "00ffa0");
        assert_eq!(super::decode(""), Some(vec![]));
        assert_eq!(super::decode("0"), None);
        assert_eq!(super::decode("0é"), None);
        assert_eq!(super::decode("+1"), None);
    }
}
