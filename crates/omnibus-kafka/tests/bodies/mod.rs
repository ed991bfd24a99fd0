//! Random bodies of every message, made from the schemas by a second, slow reading of them.

use std::path::Path;

use serde_json::Value;

/// A generator of numbers that one seed repeats.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("small")
    }
}

/// One schema.
pub(crate) struct Schema {
    pub(crate) name: String,
    json: Value,
}

/// Reads all schemas, by name.
pub(crate) fn schemas() -> Vec<Schema> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let files = std::fs::read_dir(folder).expect("schemas").map(|entry| entry.expect("a file").path());
    let mut schemas: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "json")).map(|path| read(&path)).collect();
    schemas.sort_by(|a, b| a.name.cmp(&b.name));
    schemas
}

fn read(path: &Path) -> Schema {
    let text = std::fs::read_to_string(path).expect("a schema");
    let bare: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let json: Value = serde_json::from_str(&bare.join("\n")).expect("JSON");
    Schema { name: json["name"].as_str().expect("a name").to_owned(), json }
}

impl Schema {
    /// Returns a valid body, in the one way in which it can be written.
    pub(crate) fn body(&self, version: i16, random: &mut Random) -> Vec<u8> {
        let mut out = Vec::new();
        self.fields(&self.json["fields"], version, random, &mut out);
        out
    }

    fn flexible(&self, version: i16) -> bool {
        has(self.json["flexibleVersions"].as_str(), version)
    }

    fn fields(&self, fields: &Value, version: i16, random: &mut Random, out: &mut Vec<u8>) {
        let mut tags = Vec::new();
        for field in fields.as_array().expect("fields") {
            if !has(field["versions"].as_str(), version) {
                continue;
            }
            if !has(field["taggedVersions"].as_str(), version) {
                self.field(field, version, random, out);
            } else if random.below(2) == 0 {
                tags.push((field["tag"].as_u64().expect("a tag"), self.tagged(field, version, random)));
            }
        }
        if self.flexible(version) {
            tags.sort();
            uvarint(tags.len() as u64, out);
            for (tag, value) in tags {
                uvarint(tag, out);
                uvarint(value.len() as u64, out);
                out.extend(value);
            }
        }
    }

    /// A value that is not the default, or the tag would not be written.
    fn tagged(&self, field: &Value, version: i16, random: &mut Random) -> Vec<u8> {
        let mut out = Vec::new();
        match field["type"].as_str().expect("a type") {
            "bool" => out.push(1),
            "string" => self.string("tagged", true, &mut out),
            kind if kind.starts_with("[]") => {
                uvarint(2, &mut out);
                self.value(field, &kind[2..], version, random, &mut out);
            }
            kind => self.value(field, kind, version, random, &mut out),
        }
        out
    }

    fn field(&self, field: &Value, version: i16, random: &mut Random, out: &mut Vec<u8>) {
        let kind = field["type"].as_str().expect("a type");
        let null = has(field["nullableVersions"].as_str(), version) && random.below(4) == 0;
        let flexible = field["flexibleVersions"].as_str().map_or(self.flexible(version), |of| has(Some(of), version));
        if let Some(element) = kind.strip_prefix("[]") {
            let count = if null { None } else { Some(random.below(3)) };
            length(count, flexible, 4, out);
            for _ in 0..count.unwrap_or(0) {
                self.value(field, element, version, random, out);
            }
        } else if null {
            match kind {
                "string" => length(None, flexible, 2, out),
                "bytes" | "records" => length(None, flexible, 4, out),
                _ => out.push(0xff),
            }
        } else if kind == "string" {
            let text: String = (0..random.below(12)).map(|_| ['a', 'Z', '-', 'ü', '中'][random.below(5)]).collect();
            self.string(&text, flexible, out);
        } else {
            if field["nullableVersions"].is_string() && kind.starts_with(char::is_uppercase) {
                out.push(1);
            }
            self.value(field, kind, version, random, out);
        }
    }

    fn string(&self, text: &str, flexible: bool, out: &mut Vec<u8>) {
        length(Some(text.len()), flexible, 2, out);
        out.extend(text.as_bytes());
    }

    fn value(&self, field: &Value, kind: &str, version: i16, random: &mut Random, out: &mut Vec<u8>) {
        let number = random.next().to_be_bytes();
        match kind {
            "bool" => out.push(number[0] & 1),
            "int8" => out.push(number[0]),
            "int16" | "uint16" => out.extend(&number[..2]),
            "int32" => out.extend(&number[..4]),
            "int64" => out.extend(number),
            "uuid" => out.extend([number, number].concat()),
            "string" => self.string("element", self.flexible(version), out),
            "bytes" | "records" => {
                length(Some(8), self.flexible(version), 4, out);
                out.extend(number);
            }
            name => {
                let shared =
                    self.json["commonStructs"].as_array().and_then(|all| all.iter().find(|s| s["name"] == name));
                self.fields(shared.map_or(&field["fields"], |shared| &shared["fields"]), version, random, out);
            }
        }
    }
}

fn has(versions: Option<&str>, version: i16) -> bool {
    let number = |text: &str| text.parse::<i16>().expect("a version");
    match versions {
        None | Some("none") => false,
        Some(range) => match (range.strip_suffix('+'), range.split_once('-')) {
            (Some(min), _) => number(min) <= version,
            (_, Some((min, max))) => (number(min)..=number(max)).contains(&version),
            _ => number(range) == version,
        },
    }
}

fn length(length: Option<usize>, flexible: bool, width: usize, out: &mut Vec<u8>) {
    if flexible {
        uvarint(length.map_or(0, |length| length as u64 + 1), out);
    } else {
        let fixed = length.map_or(-1, |length| i64::try_from(length).expect("short"));
        out.extend(&fixed.to_be_bytes()[8 - width..]);
    }
}

fn uvarint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}
