//! The plots: SVG by hand, readable on light and on dark pages.

use std::fmt::Write;

use super::report::number;
use super::run::Outcome;
use super::scenario::Promise;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 740.0;
const TOP: f64 = 70.0;
const BOTTOM: f64 = 335.0;
/// Distinct for the colour-blind as well (Okabe and Ito), and on both grounds.
const COLOURS: [&str; 5] = ["#d55e00", "#cc79a7", "#0072b2", "#009e73", "#e69f00"];
const STYLE: &str = "text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600; font-size: 15px } \
.grid { stroke: #8b949e; stroke-opacity: 0.35 } .axis { stroke: #6e7781 } .small { font-size: 11px } \
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }";

/// A plot on a logarithmic scale.
struct Plot {
    text: String,
    low: f64,
    high: f64,
}

impl Plot {
    fn new(title: &str, unit: &str, low: f64, high: f64) -> Self {
        let mut plot = Self { text: String::new(), low, high };
        plot.add(&format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><style>{STYLE}</style>"#
        ));
        plot.label("title", "start", 12.0, 22.0, title);
        plot.label("small", "start", 12.0, 60.0, unit);
        let mut tick = low;
        while tick <= high * 1.001 {
            let y = plot.height(tick);
            plot.add(&format!(r#"<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1}" y2="{y:.1}"/>"#));
            plot.label("small", "end", LEFT - 6.0, y + 4.0, &number(tick));
            tick *= 10.0;
        }
        plot.add(&format!(r#"<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{BOTTOM}" y2="{BOTTOM}"/>"#));
        plot
    }

    fn add(&mut self, element: &str) {
        writeln!(self.text, "{element}").expect("a String takes everything");
    }

    fn label(&mut self, class: &str, anchor: &str, x: f64, y: f64, text: &str) {
        self.add(&format!(r#"<text class="{class}" text-anchor="{anchor}" x="{x:.1}" y="{y:.1}">{text}</text>"#));
    }

    fn height(&self, value: f64) -> f64 {
        let share = (value.max(self.low) / self.low).log10() / (self.high / self.low).log10();
        BOTTOM - share.min(1.0) * (BOTTOM - TOP)
    }

    fn bar(&mut self, x: f64, width: f64, value: f64, colour: &str, caption: &str) {
        let y = self.height(value);
        let height = (BOTTOM - y).max(1.0);
        self.add(&format!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"><title>{caption}</title></rect>"#
        ));
    }

    fn legend(&mut self, entries: &[(String, &str)]) {
        let mut x = LEFT;
        for (name, colour) in entries {
            self.add(&format!(r#"<rect x="{x:.1}" y="34" width="12" height="12" fill="{colour}"/>"#));
            self.label("small", "start", x + 16.0, 44.0, name);
            x += 36.0 + name.len() as f64 * 6.5;
        }
    }

    fn end(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }
}

fn promises() -> Vec<(String, &'static str)> {
    Promise::ALL.iter().map(|promise| promise.name()).zip(COLOURS).collect()
}

/// Groups of five bars, one for each promise; a group for each scenario. Where a promise is kept in one way of polling,
/// that way is shown; where in none, words say so.
fn groups(plot: &mut Plot, outcomes: &mut [Outcome], value: impl Fn(&mut Outcome) -> f64) {
    let count = outcomes.chunk_by(is_of_one_scenario).count();
    let step = (RIGHT - LEFT) / count as f64;
    for (group, of_scenario) in outcomes.chunk_by_mut(is_of_one_scenario).enumerate() {
        let left = LEFT + group as f64 * step;
        for of_promise in of_scenario.chunk_by_mut(|one, next| one.promise == next.promise) {
            let promise = of_promise[0].promise;
            let place = Promise::ALL.iter().position(|other| *other == promise).expect("is one of them");
            let x = left + 10.0 + place as f64 * (step - 20.0) / 5.0;
            match of_promise.iter_mut().find(|outcome| outcome.holds()) {
                Some(outcome) => {
                    let value = value(outcome);
                    let caption = format!("{}, {}: {}", outcome.scenario.title, outcome.name(), number(value));
                    plot.bar(x, (step - 20.0) / 5.0 - 3.0, value, COLOURS[place], &caption);
                }
                None => plot.add(&format!(
                    r#"<text class="small" transform="translate({:.1} {:.1}) rotate(-90)">does not hold</text>"#,
                    x + 15.0,
                    BOTTOM - 6.0
                )),
            }
        }
        let scenario = &of_scenario[0].scenario;
        plot.label("small", "middle", left + step / 2.0, BOTTOM + 18.0, scenario.title);
        let rate = format!("{} checks/s", number(scenario.checks_per_second()));
        plot.label("small", "middle", left + step / 2.0, BOTTOM + 34.0, &rate);
    }
}

fn is_of_one_scenario(one: &Outcome, next: &Outcome) -> bool {
    one.scenario.name == next.scenario.name
}

pub fn costs(outcomes: &mut [Outcome]) -> String {
    let mut plot =
        Plot::new("What a month costs, by what is promised", "US dollars a month, requests included", 1.0, 1e7);
    plot.legend(&promises());
    groups(&mut plot, outcomes, |outcome| outcome.bill.total());
    plot.end()
}

pub fn staleness(outcomes: &mut [Outcome]) -> String {
    let title = "How long after its logout a token may still be called active";
    let mut plot = Plot::new(title, "the longest seen, in milliseconds; no bar: never", 10.0, 1e6);
    plot.legend(&promises());
    groups(&mut plot, outcomes, |outcome| outcome.staleness.staleness.percentile(100.0));
    plot.end()
}

pub fn polls(polls: &[(usize, [f64; 2])]) -> String {
    let title = "Syncs of one location, by how many isolates it has (bound 1 s, round trip 70 ms)";
    let mut plot = Plot::new(title, "syncs a second", 1.0, 100.0);
    let names = ["as shipped", "were each isolate to sync alone"];
    plot.legend(&names.map(str::to_owned).into_iter().zip(COLOURS).collect::<Vec<_>>());
    let step = (RIGHT - LEFT) / polls.len() as f64;
    let x = |place: usize| LEFT + (place as f64 + 0.5) * step;
    for (kind, colour) in COLOURS.iter().enumerate().take(names.len()) {
        let points: Vec<String> = polls
            .iter()
            .enumerate()
            .map(|(place, (_, rates))| format!("{:.1},{:.1}", x(place), plot.height(rates[kind])))
            .collect();
        plot.add(&format!(
            r#"<polyline fill="none" stroke="{colour}" stroke-width="2.5" points="{}"/>"#,
            points.join(" ")
        ));
        for (place, (_, rates)) in polls.iter().enumerate() {
            let y = plot.height(rates[kind]);
            plot.add(&format!(r#"<circle cx="{:.1}" cy="{y:.1}" r="4" fill="{colour}"/>"#, x(place)));
            plot.label("small", "middle", x(place), y - 9.0, &number(rates[kind]));
        }
    }
    for (place, (isolates, _)) in polls.iter().enumerate() {
        plot.label("small", "middle", x(place), BOTTOM + 18.0, &isolates.to_string());
    }
    plot.label("small", "middle", LEFT.midpoint(RIGHT), BOTTOM + 40.0, "isolates in the location");
    plot.end()
}
