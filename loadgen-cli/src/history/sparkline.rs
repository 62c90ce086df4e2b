//! Values one after the other, a bar for each.

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A bar for each value, as high as its share of the largest; `·` where there is none. Measured from zero:
/// between the least and the largest, noise would look like a trend.
pub(super) fn of(values: &[Option<f64>]) -> String {
    let largest = values.iter().flatten().copied().fold(0.0, f64::max);
    let bar = |value: &Option<f64>| match value {
        None => '·',
        Some(_) if largest <= 0.0 => BARS[0],
        Some(value) => BARS[((value / largest * 8.0).ceil() as usize).clamp(1, 8) - 1],
    };
    values.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(&[Some(1.0), Some(2.0), Some(8.0)] => "▁▂█"; "by the largest")]
    #[test_case(&[Some(100.0), Some(101.0)] => "██"; "what differs little looks alike")]
    #[test_case(&[Some(5.0), None] => "█·"; "one without")]
    #[test_case(&[Some(0.0), Some(0.0)] => "▁▁"; "all nothing")]
    #[test_case(&[] => ""; "none")]
    fn bars(values: &[Option<f64>]) -> String {
        of(values)
    }
}
