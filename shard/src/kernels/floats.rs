//! Which numbers of a vector lie in a range, in the total order of E-10 (NaN greatest, equal to itself).

use segfmt::value::ordered_f64;

/// Bits of the values whose ordered key is in `lo..=hi`.
pub fn range(values: &[f64], lo: u64, hi: u64, out: &mut [u64]) {
    for (word, values) in out.iter_mut().zip(values.chunks(64)) {
        *word = values.iter().enumerate().fold(0, |w, (i, v)| {
            let key = ordered_f64(*v);
            w | (u64::from(lo <= key && key <= hi) << i)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_the_greatest_value() {
        let values = [1.0, f64::NAN, f64::INFINITY, -1.0, -0.0, 0.0];
        let mut out = [0];
        range(&values, ordered_f64(0.0), u64::MAX, &mut out);
        assert_eq!(out[0], 0b11_0111);
        range(&values, ordered_f64(f64::NAN), ordered_f64(f64::NAN), &mut out);
        assert_eq!(out[0], 0b10);
    }
}
