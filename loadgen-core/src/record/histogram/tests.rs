use proptest::prelude::*;

use super::sparse::{push_number, take_number};
use super::*;

fn fill(values: &[u64]) -> Histogram {
    let mut histogram = new_histogram();
    for value in values {
        histogram.saturating_record(*value);
    }
    histogram
}

proptest! {
    #[test]
    fn buckets_are_counted_as_the_library_counts_them(
        values in prop::collection::vec(prop_oneof![0_u64..5_000, 0..2 * HIGHEST_NS], 0..200),
        is_coarse in any::<bool>(),
    ) {
        let mut histogram = if is_coarse { new_coarse_histogram() } else { new_histogram() };
        for value in values {
            histogram.saturating_record(value);
        }
        let steps = histogram.iter_recorded();
        let steps = steps.map(|it| (histogram.median_equivalent(it.value_iterated_to()), it.count_at_value()));
        prop_assert_eq!(histogram.counted().collect::<Vec<_>>(), steps.collect::<Vec<_>>());
    }

    #[test]
    fn coarse_values_are_close_and_none_is_lost(values in prop::collection::vec(1..HIGHEST_NS, 1..200)) {
        let histogram = fill(&values);
        let (fine, coarse) = (Sparse::of(&histogram), Sparse::coarse(&histogram));
        prop_assert_eq!(coarse.len(), fine.len());
        let each = |it: &Sparse| -> Vec<u64> {
            it.counts().flat_map(|(value, count)| (0..count).map(move |_| value)).collect()
        };
        for (fine, coarse) in each(&fine).into_iter().zip(each(&coarse)) {
            prop_assert!(fine.abs_diff(coarse) <= fine / 128, "{} for {}", coarse, fine);
        }
        let values: Vec<_> = coarse.counts().map(|(value, _)| value).collect();
        prop_assert!(values.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn numbers_are_read_as_they_were_written(numbers in prop::collection::vec(any::<u64>(), 0..20)) {
        let mut packed = Vec::new();
        for number in &numbers {
            push_number(&mut packed, *number);
        }
        let mut rest = packed.as_slice();
        let read: Vec<u64> = std::iter::from_fn(|| take_number(&mut rest)).collect();
        prop_assert_eq!(read, numbers);
    }

    #[test]
    fn sparse_agrees_with_the_full_form(
        left in prop::collection::vec(0_u64..10_000_000_000_000, 0..200),
        right in prop::collection::vec(0_u64..10_000_000, 1..200),
        quantile in 0.0_f64..=1.0,
    ) {
        let (left, right) = (fill(&left), fill(&right));
        let mut sparse = Sparse::of(&left);
        sparse.add(&Sparse::of(&right));
        let sum = Sparse::sum([&Sparse::of(&left), &Sparse::default(), &Sparse::of(&right)]);
        prop_assert_eq!(&sum, &sparse);
        let mut full = left;
        full.add(&right);
        prop_assert_eq!(&Sparse::of(&full), &sparse);
        prop_assert_eq!(sparse.len(), full.len());
        prop_assert_eq!(sparse.least(), full.least());
        prop_assert_eq!(sparse.largest(), full.largest());
        prop_assert_eq!(sparse.at(quantile), full.at(quantile));
        let (mean, exact) = (sparse.mean(), Samples::mean(&full));
        prop_assert!((mean - exact).abs() <= exact * 1e-9, "{mean} {exact}");
    }

    #[test]
    fn one_sample_has_one_value(sample in 0_u64..3_600_000_000_000, times in 1_u64..50) {
        let mut histogram = new_histogram();
        histogram.saturating_record_n(sample, times);
        let sparse = Sparse::of(&histogram);
        let value = histogram.at(0.5);
        let off = value.abs_diff(sample) as f64;
        prop_assert!(off <= sample as f64 * 0.000_5, "{sample} is {value}");
        for samples in [&histogram as &dyn Samples, &sparse] {
            for same in [samples.least(), samples.largest(), samples.at(0.0), samples.at(1.0)] {
                prop_assert_eq!(same, value);
            }
            prop_assert_eq!(samples.mean(), value as f64);
        }
    }

    #[test]
    fn figures_rise(samples in prop::collection::vec(0_u64..5_000_000_000_000, 1..300)) {
        let histogram = fill(&samples);
        let figures: Vec<u64> = [0.0, 0.1, 0.5, 0.9, 0.99, 1.0].map(|it| histogram.at(it)).into();
        prop_assert!(figures.is_sorted(), "{figures:?}");
        prop_assert_eq!(histogram.least(), figures[0]);
        prop_assert_eq!(histogram.largest(), figures[5]);
        let mean = Samples::mean(&histogram);
        prop_assert!(histogram.least() as f64 <= mean && mean <= histogram.largest() as f64);
    }
}

#[test]
fn nothing_is_zero() {
    for samples in [&new_histogram() as &dyn Samples, &Sparse::default()] {
        let whole = [
            samples.len(),
            samples.least(),
            samples.largest(),
            samples.at(0.5),
        ];
        assert_eq!(whole, [0; 4]);
        assert_eq!(samples.mean(), 0.0);
    }
}
