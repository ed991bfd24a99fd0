//! Bars, one below the other: a picture of each family of figures.

use std::collections::BTreeSet;

use super::figures::{FAMILIES, Family, Figure, Figures, System, Values, digits};

const WIDTH: f64 = 760.0;
const LABELS: f64 = 230.0;
const VALUES: f64 = 70.0;
const TOP: f64 = 58.0;
const BAR: f64 = 15.0;
/// Between two groups of bars.
const GAP: f64 = 12.0;
const BOTTOM: f64 = 34.0;
const TICKS: u32 = 5;

/// Every plot with its name.
pub(super) fn all(figures: &Figures) -> Vec<(&'static str, String)> {
    let measured = FAMILIES.into_iter().map(|family| (family, figures.of(family).collect::<Vec<_>>()));
    let measured = measured.filter(|(_, figures)| !figures.is_empty());
    let systems = figures.systems();
    measured.map(|(family, figures)| (family.file(), bars(family, &figures, &systems))).collect()
}

fn bars(family: Family, figures: &[&Figure], systems: &BTreeSet<System>) -> String {
    let count = |things: usize| f64::from(u32::try_from(things).unwrap_or(u32::MAX));
    let group = BAR * count(systems.len());
    let height = TOP + (group + GAP) * count(figures.len()) + BOTTOM;
    let most = figures.iter().flat_map(|figure| figure.values.values()).map(Values::max).fold(0.0, f64::max);
    let step = tick_step(most);
    let scale = (WIDTH - LABELS - VALUES) / (step * f64::from(TICKS));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#24292f\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"15\" font-weight=\"bold\">{}</text>\n",
        family.title()
    );
    svg += &legend(systems);
    svg += &axis(step, scale, height, family.unit());
    let mut y = TOP;
    for figure in figures {
        svg += &format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n",
            LABELS - 8.0,
            y + group / 2.0 + 4.0,
            figure.name
        );
        for system in systems {
            if let Some(values) = figure.values.get(system) {
                svg += &bar(values, y, scale, colour(*system));
            }
            y += BAR;
        }
        y += GAP;
    }
    svg + "</svg>\n"
}

const fn colour(system: System) -> &'static str {
    match system {
        System::Omnibus => "#1f6feb",
        System::Kafka | System::ElasticMq | System::RabbitClassic => "#9aa4af",
        System::Moto | System::RabbitQuorum => "#d4a72c",
    }
}

fn legend(systems: &BTreeSet<System>) -> String {
    let mut text = String::new();
    let mut x = 12.0;
    for (name, colour) in systems.iter().map(|system| (system.name(), colour(*system))) {
        text += &format!(
            "<rect x=\"{x}\" y=\"32\" width=\"11\" height=\"11\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"42\">{name}</text>\n",
            x + 16.0
        );
        x += 90.0;
    }
    text + &format!("<text x=\"{x}\" y=\"42\">median; the line is min–max</text>\n")
}

fn axis(step: f64, scale: f64, height: f64, unit: &str) -> String {
    let mut text = String::new();
    for tick in 0..=TICKS {
        let value = step * f64::from(tick);
        let x = LABELS + value * scale;
        let (top, bottom) = (TOP - 6.0, height - BOTTOM);
        text += &format!(
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\" stroke=\"#d0d7de\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{value}</text>\n",
            bottom + 14.0
        );
    }
    text + &format!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{unit}</text>\n", WIDTH - 8.0, height - 6.0)
}

fn bar(values: &Values, y: f64, scale: f64, colour: &str) -> String {
    let [median, min, max] = [values.median(), values.min(), values.max()].map(|value| value * scale);
    let middle = y + BAR / 2.0;
    format!(
        "<rect x=\"{LABELS}\" y=\"{y}\" width=\"{median:.1}\" height=\"{}\" fill=\"{colour}\"/>\
         <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\" stroke=\"black\"/>\
         <text x=\"{:.1}\" y=\"{}\">{}</text>\n",
        BAR - 2.0,
        LABELS + min,
        LABELS + max,
        LABELS + max + 5.0,
        y + BAR - 3.0,
        digits(values.median())
    )
}

/// A step of 1, 2 or 5 times a power of ten that takes the axis just past `most`.
fn tick_step(most: f64) -> f64 {
    let rough = (most / f64::from(TICKS)).max(1e-3);
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|times| times * power).find(|step| *step >= rough).unwrap_or(rough)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_reaches_past_the_longest_bar() {
        for (most, step) in [(712.0, 200.0), (4.4, 1.0), (0.9, 0.2), (2000.0, 500.0)] {
            assert!((tick_step(most) - step).abs() < 1e-9, "{most}");
        }
    }
}
