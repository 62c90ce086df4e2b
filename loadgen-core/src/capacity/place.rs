//! Where the capacity probably lies, from all trials together.
//!
//! How likely a load is held falls along a logistic curve, the more steeply the longer its trials are. Where
//! the middle of that curve is, how steep it is, and how much further up it lies for shorter trials, has each of a
//! grid of values with its likelihood. It only says where trials are worth most: whether a load is a bound, trials at
//! that load alone decide.

use super::search::Load;

/// The grid of places has so many steps in the width that is asked for.
const STEPS: f64 = 8.0;
/// And no more of them than that.
const MOST_PLACES: f64 = 400.0;
/// How far from the capacity chance still decides full-length trials, one standard deviation in widths,
/// and how likely that is before any trial.
const BLURS: [(f64, f64); 5] = [
    (0.08, 0.3),
    (0.2, 0.3),
    (0.45, 0.2),
    (0.9, 0.15),
    (1.8, 0.05),
];
/// What a service takes beyond its capacity before a goal breaks, in full-length trials at that capacity, as one that
/// lets a burst through or one whose line has to grow first; and how likely that is before any trial. The shorter a
/// trial, the higher a load it holds.
const BURSTS: [(f64, f64); 3] = [(0.0, 0.8), (0.03, 0.1), (0.1, 0.1)];
/// How often a load far below the capacity is not held, as by a stall.
const LAPSE_BELOW: f64 = 0.06;
/// How often one far above it is.
const LAPSE_ABOVE: f64 = 0.01;
/// A logistic curve is as steep as a normal one with so many times the deviation.
const LOGISTIC: f64 = 1.7;

/// Places on a logarithmic scale, each with a probability.
#[derive(Debug)]
pub(super) struct Place {
    /// The logarithm of the lowest.
    from: f64,
    step: f64,
    full_s: f64,
    width: f64,
    /// For each blur, those of all places; 1 in all.
    likely: Vec<Vec<f64>>,
    /// How likely it is at a place, or below.
    up_to: Vec<f64>,
}

impl Place {
    /// Within two loads that are apart.
    pub(super) fn within(from: f64, to: f64, loads: &[Load], full_s: f64, width: f64) -> Self {
        let way = (to / from).ln();
        let step = (width / STEPS).max(way / MOST_PLACES);
        let places = (way / step).ceil() as usize + 1;
        let mut this = Self {
            from: from.ln(),
            step,
            full_s,
            width,
            likely: Vec::new(),
            up_to: Vec::new(),
        };
        let logs = BLURS.map(|(blur, of_blur)| {
            let place = |it: usize| {
                BURSTS.map(|(burst, of_burst)| {
                    let prior: f64 = of_blur * of_burst;
                    prior.ln() + this.log_likelihood(this.at(it), blur, burst, loads)
                })
            };
            (0..places).map(place).collect::<Vec<_>>()
        });
        let most = logs.iter().flatten().flatten().copied();
        let most = most.fold(f64::MIN, f64::max);
        let weight = |bursts: [f64; 3]| bursts.map(|it| (it - most).exp()).iter().sum();
        let weights = logs.map(|places| places.into_iter().map(weight).collect());
        this.likely = weights.into();
        let sum: f64 = this.likely.iter().flatten().sum();
        this.likely.iter_mut().flatten().for_each(|it| *it /= sum);
        let at = |place: usize| this.likely.iter().map(|it| it[place]).sum::<f64>();
        let up_to = (0..places).scan(0.0, |sum, place| {
            *sum += at(place);
            Some(*sum)
        });
        this.up_to = up_to.collect();
        this
    }

    fn at(&self, place: usize) -> f64 {
        self.from + self.step * place as f64
    }

    fn log_likelihood(&self, place: f64, blur: f64, burst: f64, loads: &[Load]) -> f64 {
        let trials = loads
            .iter()
            .flat_map(|load| load.trials.iter().map(move |it| (load, it)));
        let logs = trials.map(|(load, trials)| {
            let more = (1.0 + burst * self.full_s / trials.duration_s) / (1.0 + burst);
            let above = (load.rate.per_second() / more).ln() - place;
            let held = self.held_at(above, trials.duration_s, blur);
            let held = LAPSE_ABOVE + (1.0 - LAPSE_BELOW - LAPSE_ABOVE) * held;
            f64::from(trials.held) * held.ln() + f64::from(trials.broken) * (1.0 - held).ln()
        });
        logs.sum()
    }

    /// How likely a load is held that lies so far above a place, lapses aside.
    fn held_at(&self, above: f64, duration_s: f64, blur: f64) -> f64 {
        let deviation = blur * self.width * (self.full_s / duration_s).sqrt();
        1.0 / (1.0 + (above * LOGISTIC / deviation).exp())
    }

    /// How likely a load is held for a full-length trial, lapses aside.
    fn held(&self, load: f64) -> f64 {
        let blurs = BLURS.iter().zip(&self.likely);
        let sums = blurs.map(|((blur, _), places)| {
            let places = places.iter().enumerate();
            let each = places
                .map(|(it, likely)| likely * self.held_at(load - self.at(it), self.full_s, *blur));
            each.sum::<f64>()
        });
        sums.sum()
    }

    /// The load that the capacity is at or below with that probability.
    pub(super) fn quantile(&self, probability: f64) -> f64 {
        let place = self.up_to.partition_point(|it| *it < probability);
        self.at(place.min(self.up_to.len() - 1)).exp()
    }

    /// How likely the capacity is below a load.
    pub(super) fn below(&self, load: f64) -> f64 {
        let load = load.ln();
        let places = (0..self.up_to.len())
            .take_while(|it| self.at(*it) < load)
            .count();
        places.checked_sub(1).map_or(0.0, |last| self.up_to[last])
    }

    /// The highest load that is as likely held.
    pub(super) fn highest_held(&self, probability: f64) -> f64 {
        let first = self.first(|held| held < probability);
        self.at(first.saturating_sub(1)).exp()
    }

    /// The lowest load that is no more likely held.
    pub(super) fn lowest_held(&self, probability: f64) -> f64 {
        let first = self.first(|held| held <= probability);
        self.at(first.min(self.up_to.len() - 1)).exp()
    }

    /// The first place from which on loads are held so rarely: the higher, the rarer.
    fn first(&self, is_rare: impl Fn(f64) -> bool) -> usize {
        let (mut low, mut high) = (0, self.up_to.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if is_rare(self.held(self.at(middle))) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}
