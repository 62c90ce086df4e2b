//! Files of test data that a fuzzer makes up. Built with `--cfg fuzzing` only.

use std::path::Path;

use super::Table;

/// The forms that a file may have.
const NAMES: [&str; 3] = ["a.csv", "a.json", "a.jsonl"];
/// So many rows at each end are read.
const MOST_ROWS: u64 = 50;

/// Any bytes are rows, or are refused in a sentence. The first says in which form they are.
///
/// # Panics
/// When reading does, or when a row is not what its columns say.
pub fn data_file(data: &[u8]) {
    let Some((form, bytes)) = data.split_first() else {
        return;
    };
    let name = NAMES[usize::from(*form) % NAMES.len()];
    let table = match Table::parse(Path::new(name), bytes.to_vec()) {
        Ok(table) => table,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let columns: Vec<&str> = table.columns().collect();
    assert!(table.len() > 0);
    let last = table.len().saturating_sub(MOST_ROWS);
    for number in (0..table.len().min(MOST_ROWS)).chain(last..table.len()) {
        let row = table.row(number);
        assert!(!row.is_undefined(), "row {number}");
        for name in row.try_iter().expect("a row has fields") {
            let name = name.as_str().expect("their names are texts");
            assert!(columns.contains(&name), "{name}");
            let value = row.get_attr(name).expect("it has what it names");
            assert!(!value.is_undefined(), "{name} of row {number}");
            assert!(!table.is_of_texts() || value.as_str().is_some());
        }
    }
    assert!(table.row(table.len()).is_undefined());
}
