//! The files of `tests/golden`: one line for each name of the contract. A line that begins with `~`
//! is seen in some runs only, and may be absent.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

/// Begins a line that may be absent.
const SOMETIMES: &str = "~ ";

/// Set to 1, the files are written instead of compared.
const UPDATE: &str = "UPDATE_GOLDEN";

const HEAD: &str = "\
# Names of the contract, as the test `golden` of tests/e2e sees them. Do not edit by hand, except to
# put `~ ` before a line that some runs do not see. To accept an intended difference:
# UPDATE_GOLDEN=1 tests/services/run cargo test -p stanchion-tests --test e2e golden
";

/// What a run has seen, by file.
#[derive(Debug, Default)]
pub struct Contract(BTreeMap<&'static str, BTreeSet<String>>);

impl Contract {
    /// Adds a line to a file.
    pub fn see(&mut self, file: &'static str, line: impl Into<String>) {
        self.0.entry(file).or_default().insert(line.into());
    }

    /// Compares with the files, or writes them if the environment says so.
    ///
    /// # Panics
    /// Names every line that was added or removed.
    pub fn check(&self) {
        let is_update = std::env::var(UPDATE).is_ok_and(|value| value == "1");
        let mut differences = String::new();
        for (name, seen) in &self.0 {
            let path = folder().join(format!("{name}.txt"));
            let golden = Golden::read(&path);
            if is_update {
                golden.write(&path, seen);
            } else {
                golden.compare(name, seen, &mut differences);
            }
        }

        assert!(
            differences.is_empty(),
            "the contract differs from tests/golden (+ is new, - is gone):\n{differences}\n\
             Clients, running deployments and dashboards rely on these names. If the difference is \
             intended, accept it with {UPDATE}=1 and name it in CHANGELOG.md."
        );
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// One file.
#[derive(Default)]
struct Golden {
    always: BTreeSet<String>,
    sometimes: BTreeSet<String>,
}

impl Golden {
    /// A file that is absent is empty.
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut golden = Self::default();

        for line in text.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix(SOMETIMES) {
                Some(line) => golden.sometimes.insert(line.to_owned()),
                None => golden.always.insert(line.to_owned()),
            };
        }

        golden
    }

    fn compare(&self, name: &str, seen: &BTreeSet<String>, differences: &mut String) {
        let added = seen
            .iter()
            .filter(|line| !self.always.contains(*line) && !self.sometimes.contains(*line))
            .map(|line| ('+', line));
        let removed = self.always.difference(seen).map(|line| ('-', line));
        for (sign, line) in added.chain(removed) {
            writeln!(differences, "{sign} {name}: {line}").expect("a text takes what is written");
        }
    }

    fn write(&self, path: &Path, seen: &BTreeSet<String>) {
        let mut text = HEAD.to_owned();
        for line in seen.union(&self.sometimes) {
            if self.sometimes.contains(line) {
                text += SOMETIMES;
            }
            text += line;
            text.push('\n');
        }

        fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
