//! The Universal Scalability Law, fitted to what was measured.

/// How many were at it at once, and what was completed a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Requests under way at once on average, or users: above 0.
    pub concurrency: f64,
    /// Completed per second: above 0.
    pub throughput: f64,
}

/// Why there is no curve.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScalabilityError {
    /// Three parameters go through any three points.
    #[error("{found} different concurrencies are too few for a curve; expected at least {least}")]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many it takes.
        least: usize,
    },
    /// A point is none.
    #[error(
        "a throughput of {throughput}/s at a concurrency of {concurrency} is none; expected both above 0 and finite"
    )]
    Point {
        /// Its concurrency.
        concurrency: f64,
        /// Its throughput.
        throughput: f64,
    },
}

/// How throughput grows with concurrency (Gunther 2007): X(N) = λN / (1 + σ(N − 1) + κN(N − 1)).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Scalability {
    /// λ: what one at a time completes per second.
    pub lambda: f64,
    /// σ: the share of the work that only one can do at once, 0 or more.
    pub sigma: f64,
    /// κ: what keeping each pair in agreement costs, 0 or more.
    pub kappa: f64,
    /// The root of the mean squared distance of curve and points, each as a share of the point's
    /// throughput.
    pub residual: f64,
    /// The least concurrency that was measured.
    pub least: f64,
    /// The greatest.
    pub most: f64,
}

/// So many different concurrencies make a curve.
const LEAST_POINTS: usize = 4;

impl Scalability {
    /// The curve that is nearest to the points, by the squares of what they differ by as a share of the
    /// curve.
    ///
    /// N / X(N) is linear in 1/λ, σ/λ and κ/λ, none of which is below 0: of the four ways to have some of
    /// the last two 0, the nearest one is taken, so that there is one answer and no start to choose.
    ///
    /// # Errors
    /// [`ScalabilityError`] for points that are none, and for less than four different concurrencies.
    pub fn fit(points: &[Point]) -> Result<Self, ScalabilityError> {
        let is_none = |it: &&Point| {
            let is_positive = |figure: f64| figure > 0.0 && figure.is_finite();
            !is_positive(it.concurrency) || !is_positive(it.throughput)
        };
        if let Some(none) = points.iter().find(is_none) {
            let Point {
                concurrency,
                throughput,
            } = *none;
            return Err(ScalabilityError::Point {
                concurrency,
                throughput,
            });
        }
        let mut concurrencies: Vec<f64> = points.iter().map(|it| it.concurrency).collect();
        concurrencies.sort_by(f64::total_cmp);
        concurrencies.dedup();
        let (Some(&least), Some(&most)) = (concurrencies.first(), concurrencies.last()) else {
            return Err(ScalabilityError::too_few(0));
        };
        if concurrencies.len() < LEAST_POINTS {
            return Err(ScalabilityError::too_few(concurrencies.len()));
        }
        let rows: Vec<[f64; 3]> = points.iter().map(row).collect();
        let fits = (0..4).filter_map(|with| nearest(&rows, [true, with & 1 != 0, with & 2 != 0]));
        let (_, [first, second, third]) = fits
            .min_by(|(a, _), (b, _)| a.total_cmp(b))
            .ok_or(ScalabilityError::too_few(concurrencies.len()))?;
        let mut this = Self {
            lambda: 1.0 / first,
            sigma: second / first,
            kappa: third / first,
            residual: 0.0,
            least,
            most,
        };
        let squares = points.iter().map(|it| {
            let off = it.throughput / this.value(it.concurrency) - 1.0;
            off * off
        });
        this.residual = (squares.sum::<f64>() / points.len() as f64).sqrt();
        Ok(this)
    }

    /// The throughput at a concurrency, per second; none outside of what was measured.
    #[must_use]
    pub fn at(&self, concurrency: f64) -> Option<f64> {
        let is_measured = (self.least..=self.most).contains(&concurrency);
        is_measured.then(|| self.value(concurrency))
    }

    /// The concurrency of the greatest throughput, where it is within what was measured.
    #[must_use]
    pub fn peak(&self) -> Option<f64> {
        let peak = ((1.0 - self.sigma) / self.kappa).sqrt();
        (self.least..=self.most).contains(&peak).then_some(peak)
    }

    fn value(&self, n: f64) -> f64 {
        self.lambda * n / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }
}

impl ScalabilityError {
    fn too_few(found: usize) -> Self {
        Self::TooFew {
            found,
            least: LEAST_POINTS,
        }
    }
}

/// What 1/λ, σ/λ and κ/λ are multiplied by to make the curve's N / X as a share of the point's: 1 where
/// they meet.
fn row(point: &Point) -> [f64; 3] {
    let n = point.concurrency;
    let share = point.throughput / n;
    [share, (n - 1.0) * share, n * (n - 1.0) * share]
}

/// Least squares of the rows against 1 with some of the three: what is left, and the three; none where one
/// would be below 0.
fn nearest(rows: &[[f64; 3]], with: [bool; 3]) -> Option<(f64, [f64; 3])> {
    let columns: Vec<usize> = (0..3).filter(|column| with[*column]).collect();
    let size = columns.len();
    // Columns are made equally large: powers of N are far apart.
    let scale = |column: usize| {
        let squares = rows.iter().map(|row| row[column] * row[column]);
        squares.sum::<f64>().sqrt()
    };
    let scales: Vec<f64> = columns.iter().map(|column| scale(*column)).collect();
    let mut matrix = vec![vec![0.0; size + 1]; size];
    for row in rows {
        for i in 0..size {
            let here = row[columns[i]] / scales[i];
            for j in 0..size {
                matrix[i][j] += here * row[columns[j]] / scales[j];
            }
            matrix[i][size] += here;
        }
    }
    let solved = solved(matrix)?;
    let mut three = [0.0; 3];
    for (at, value) in solved.into_iter().enumerate() {
        three[columns[at]] = value / scales[at];
    }
    let is_one = three[0] > 0.0 && three.iter().all(|it| *it >= 0.0 && it.is_finite());
    let left = rows.iter().map(|row| {
        let sum: f64 = row.iter().zip(&three).map(|(a, b)| a * b).sum();
        (sum - 1.0) * (sum - 1.0)
    });
    is_one.then(|| (left.sum(), three))
}

/// The solution of linear equations, by Gauss's elimination; none where they leave it open.
fn solved(mut matrix: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    const ALMOST_ZERO: f64 = 1e-12;
    let size = matrix.len();
    for column in 0..size {
        let pivot = (column..size).max_by(|a, b| {
            matrix[*a][column]
                .abs()
                .total_cmp(&matrix[*b][column].abs())
        })?;
        matrix.swap(column, pivot);
        if matrix[column][column].abs() < ALMOST_ZERO {
            return None;
        }
        let (above, below) = matrix.split_at_mut(column + 1);
        let pivot = &above[column];
        for row in below {
            let times = row[column] / pivot[column];
            for (value, of_pivot) in row.iter_mut().zip(pivot) {
                *value -= times * of_pivot;
            }
        }
    }
    let mut solution = vec![0.0; size];
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size)
            .map(|it| matrix[row][it] * solution[it])
            .sum();
        solution[row] = (matrix[row][size] - known) / matrix[row][row];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(curve: impl Fn(f64) -> f64, concurrencies: &[f64]) -> Vec<Point> {
        let points = concurrencies.iter().map(|n| Point {
            concurrency: *n,
            throughput: curve(*n),
        });
        points.collect()
    }

    fn law(lambda: f64, sigma: f64, kappa: f64) -> impl Fn(f64) -> f64 {
        move |n| lambda * n / (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0))
    }

    const CONCURRENCIES: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

    #[test]
    fn a_knee_is_where_it_is() {
        let fit = Scalability::fit(&points(law(1000.0, 0.04, 0.001), &CONCURRENCIES)).unwrap();
        assert!((fit.lambda - 1000.0).abs() < 1e-6, "{fit:?}");
        assert!(
            (fit.peak().unwrap() - 960_f64.sqrt()).abs() < 1e-6,
            "{fit:?}"
        );
        assert!(fit.residual < 1e-9, "{fit:?}");
    }

    #[test]
    fn nothing_is_said_of_what_was_not_measured() {
        let fit = Scalability::fit(&points(law(100.0, 0.02, 0.0001), &CONCURRENCIES)).unwrap();
        // The peak is at 99.
        assert_eq!(fit.peak(), None);
        assert_eq!(fit.at(0.5), None);
        assert_eq!(fit.at(65.0), None);
        assert!(fit.at(1.0).is_some() && fit.at(64.0).is_some());
    }

    #[test]
    fn no_parameter_is_below_zero() {
        // More than in proportion, which the law knows not.
        let fit = Scalability::fit(&points(|n| n.powf(1.2), &CONCURRENCIES)).unwrap();
        assert_eq!((fit.sigma, fit.kappa), (0.0, 0.0));
        assert!(fit.residual > 0.1, "{fit:?}");
    }

    #[test]
    fn a_share_off_is_as_bad_anywhere() {
        let curve = law(1000.0, 0.05, 0.0005);
        let noisy = |n: f64| {
            curve(n)
                * if (n.log2() as u32).is_multiple_of(2) {
                    1.03
                } else {
                    0.97
                }
        };
        let fit = Scalability::fit(&points(noisy, &CONCURRENCIES)).unwrap();
        assert!((fit.residual - 0.03).abs() < 0.01, "{fit:?}");
        assert!((fit.lambda / 1000.0 - 1.0).abs() < 0.06, "{fit:?}");
    }

    #[test]
    fn too_few_and_none() {
        let twice = [1.0, 2.0, 4.0, 4.0, 4.0];
        let few = Scalability::fit(&points(law(1.0, 0.0, 0.0), &twice)).unwrap_err();
        assert_eq!(
            few.to_string(),
            "3 different concurrencies are too few for a curve; expected at least 4"
        );
        let none = Scalability::fit(&points(|_| 0.0, &CONCURRENCIES)).unwrap_err();
        assert_eq!(
            none.to_string(),
            "a throughput of 0/s at a concurrency of 1 is none; expected both above 0 and finite"
        );
        assert!(Scalability::fit(&[]).is_err());
    }

    proptest! {
        #[test]
        fn what_the_law_says_is_found(
            lambda in 0.1..1e6_f64,
            sigma in 0.0..0.9_f64,
            kappa in 0.0..0.01_f64,
            spread in 1.2..3.0_f64,
        ) {
            let concurrencies: Vec<f64> = (0..8).map(|it| spread.powi(it)).collect();
            let curve = law(lambda, sigma, kappa);
            let fit = Scalability::fit(&points(&curve, &concurrencies)).unwrap();
            prop_assert!(fit.residual < 1e-6, "{fit:?}");
            for n in concurrencies {
                let near = fit.at(n).unwrap() / curve(n) - 1.0;
                prop_assert!(near.abs() < 1e-6, "{fit:?} {n}");
            }
        }

        #[test]
        fn any_points_have_a_curve(figures in prop::collection::vec((0.01..1e5_f64, 0.01..1e7_f64), 4..20)) {
            let points: Vec<Point> = figures
                .iter()
                .map(|(concurrency, throughput)| Point { concurrency: *concurrency, throughput: *throughput })
                .collect();
            let fit = Scalability::fit(&points);
            let Ok(fit) = fit else {
                // Two that are equal by chance.
                return Ok(());
            };
            prop_assert!(fit.sigma >= 0.0 && fit.kappa >= 0.0 && fit.lambda > 0.0, "{fit:?}");
            prop_assert!(fit.residual.is_finite(), "{fit:?}");
            prop_assert_eq!(Scalability::fit(&points), Ok(fit));
        }
    }
}
