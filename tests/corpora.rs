//! What fuzzing has found worth keeping is run as an ordinary test: every input of the corpora, through its target.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

use targets::TARGETS;

#[test]
fn no_input_that_was_kept_breaks_its_target() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in TARGETS {
        let mut inputs = 0;
        for input in fs::read_dir(corpora.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")) {
            let path = input.expect("an entry of a folder").path();
            let data = fs::read(&path).expect("a file that can be read");
            // The name of what fails is the last that is printed.
            println!("{}", path.display());
            target(&data);
            inputs += 1;
        }
        assert!(inputs > 0, "{name} has no corpus");
    }
}

#[test]
fn every_target_is_a_program_of_the_fuzzer_and_has_a_small_corpus() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for folder in ["fuzz_targets", "corpus"] {
        let entries = fs::read_dir(fuzz.join(folder)).expect("the folder is there");
        let stem =
            |entry: fs::DirEntry| entry.path().file_stem().expect("a name").to_string_lossy().into_owned();
        let mut found: Vec<_> = entries.map(|entry| stem(entry.expect("an entry of a folder"))).collect();
        let mut expected: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{folder}");
    }
    for (name, _) in TARGETS {
        let inputs = fs::read_dir(fuzz.join("corpus").join(name)).expect("it has a corpus");
        let bytes: u64 =
            inputs.map(|input| input.and_then(|input| input.metadata()).expect("a file").len()).sum();
        assert!(bytes <= 200 * 1024, "{name}: {bytes} bytes");
    }
}
