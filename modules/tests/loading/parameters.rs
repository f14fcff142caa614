//! Parameters of `sample.c`, set and refused, and records that are wrong.

use crate::builder::*;
use crate::machine::{CORE, INIT, Kernel, Loaded, load, load_with};
use crate::samples::{KERNEL, STATES, object};

fn given(state: &str, arguments: &str) -> Result<Loaded, String> {
    load_with(&object(state), &mut Kernel::with(&KERNEL), arguments, CORE, INIT)
}

/// Where `sample.c` has its variables, found by the symbol table of the object.
fn variable(module: &Loaded, state: &str, name: &str) -> u32 {
    let file = object(state);
    let half = |at: usize| u16::from_le_bytes(*file[at..].first_chunk().unwrap());
    let word = |at: usize| u32::from_le_bytes(*file[at..].first_chunk().unwrap());
    let headers = word(32) as usize;
    let section = |index: usize| headers + 40 * index;
    let text = |at: usize| file[at..].split(|byte| *byte == 0).next().unwrap();
    let count = half(48).into();
    let symbols = (0..count).map(section).find(|at| word(at + 4) == 2).unwrap();
    let strings = word(section(word(symbols + 24) as usize) + 16) as usize;
    let name_of = |index: usize| {
        let names = word(section(half(50).into()) + 16) as usize;
        text(names + word(section(index)) as usize)
    };
    let start = word(symbols + 16) as usize;
    let symbol = (start..start + word(symbols + 20) as usize)
        .step_by(16)
        .find(|at| text(strings + word(*at) as usize) == name.as_bytes())
        .unwrap_or_else(|| panic!("no symbol {name}"));
    let (value, index) = (word(symbol + 4), usize::from(half(symbol + 14)));
    let data = (1..count).find(|index| name_of(*index) == b".data").unwrap();
    // First .data, then .bss at its alignment.
    let before = if index == data { 0 } else { word(section(data) + 20).next_multiple_of(4) };
    module.data() + before + value
}

#[test]
fn without_arguments_variables_are_as_the_file_has_them() {
    for state in STATES {
        let module = given(state, "").unwrap();
        assert_eq!(module.word(variable(&module, state, "number")), 5);
        let text = module.word(variable(&module, state, "text"));
        assert_eq!(module.text(text), "default");
    }
}

#[test]
fn each_type_gets_its_value() {
    let arguments = "truth byte=0xff small=-2 unsigned_small=65535 number=-7 \
                     unsigned-number=4294967295 number_2=010 unsigned_number_2=9 inverse=y \
                     text=\"two words\" buffer=sevench list=5,-6,7 words=a,,ccc";
    for state in STATES {
        let module = given(state, arguments).unwrap();
        let at = |name| variable(&module, state, name);
        let byte = |name| module.from(at(name))[0];
        let word = |name| module.word(at(name));
        assert_eq!((byte("truth"), byte("byte"), byte("inverse")), (1, 0xff, 0));
        assert_eq!(module.half(at("small")).cast_signed(), -2);
        assert_eq!(module.half(at("unsigned_small")), 65535);
        assert_eq!(word("number").cast_signed(), -7);
        assert_eq!(word("unsigned_number"), u32::MAX);
        assert_eq!((word("number_2"), word("unsigned_number_2")), (8, 9));
        assert_eq!(module.text(word("text")), "two words");
        assert_eq!(&module.from(at("buffer"))[..8], b"sevench\0");
        let list: Vec<_> = (0..4).map(|index| module.word(at("list") + 4 * index)).collect();
        assert_eq!(list, [5, -6_i32 as u32, 7, 4]);
        assert_eq!(word("list_count"), 3);
        let words: Vec<_> =
            (0..3).map(|index| module.text(module.word(at("words") + 4 * index))).collect();
        assert_eq!(words, ["a", "", "ccc"]);
        // Texts are in the core's data, each for itself.
        assert!(word("text") > module.data() && word("words") > word("text"));
    }
}

#[test]
fn the_last_of_several_values_counts() {
    let module = given("arm", "number=1 truth=n number=2 truth -- number=3").unwrap();
    assert_eq!(module.word(variable(&module, "arm", "number")), 2);
    assert_eq!(module.from(variable(&module, "arm", "truth"))[0], 1);
}

#[test]
fn values_that_do_not_fit_are_refused_by_name() {
    for (arguments, wanted) in [
        ("nonsense=1", "parameter `nonsense`: the module has no such parameter"),
        ("num=1", "parameter `num`: the module has no such parameter"),
        ("=1", "parameter ``: the module has no such parameter"),
        ("a\u{1b}b", "parameter `a?b`: the module has no such parameter"),
        ("number", "parameter `number`: needs a value"),
        ("text", "parameter `text`: needs a value"),
        ("list", "parameter `list`: needs a value"),
        ("truth=perhaps", "parameter `truth`: the value has to be y or n"),
        ("number=", "parameter `number`: the value is no number"),
        ("list=1,,2", "parameter `list`: the value is no number"),
        ("byte=256", "parameter `byte`: the number must be from 0 to 255"),
        ("small=-32769", "parameter `small`: the number must be from -32768 to 32767"),
        ("list=1,2,3,4,5", "parameter `list`: takes 4 values at most"),
        ("buffer=eightchr", "parameter `buffer`: the text has to be shorter than 8 bytes"),
        ("text=\"a\0b\"", "parameter `text`: the text holds a NUL"),
    ] {
        for state in STATES {
            assert_eq!(given(state, arguments).unwrap_err(), wanted, "{arguments}");
        }
    }
}

/// A record in an object of its own: name, type, variable, bytes, count. A name or an address is a
/// symbol's index and an addend.
fn with_record(
    name: (u32, u32),
    kind: u32,
    variable: (u32, u32),
    bytes: u32,
    count: (u32, u32),
) -> Builder {
    let mut object = Builder::new();
    let rodata = object.rodata(b"first\0second\0\xff\0\0");
    let data = object.data(&[0; 16]);
    let param = object.section("__param", PROGBITS, A, &[]);
    let names = object.section_symbol(rodata);
    let variables = object.section_symbol(data);
    assert_eq!((names, variables), (NAMES, VARIABLES));
    let fields = [name.1, kind, variable.1, bytes, count.1];
    object.at(param).bytes = fields.into_iter().flat_map(u32::to_le_bytes).collect();
    let pointers = [(0, name), (8, variable), (16, count)];
    let relocations: Vec<_> = pointers
        .into_iter()
        .filter(|(_, (symbol, _))| *symbol != 0)
        .map(|(at, (symbol, _))| (at, 2, symbol))
        .collect();
    object.relocate(param, &relocations);
    object
}

const NAMES: u32 = 1;
const VARIABLES: u32 = 2;

#[test]
fn records_that_are_wrong_are_refused_by_their_index() {
    let (name, variable, none) = ((NAMES, 0), (VARIABLES, 0), (0, 0));
    let load = |object: Builder| load(&object.bytes(), &mut Kernel::default());
    for (object, wanted) in [
        (with_record((0, 0x1000), 4, variable, 4, none), "there is no name at 0x00001000"),
        (with_record((NAMES, 13), 4, variable, 4, none), "there is no name at 0xbf80000d"),
        (with_record((NAMES, 15), 4, variable, 4, none), "there is no name at 0xbf80000f"),
        (with_record(name, 11, variable, 4, none), "unknown type 0xb"),
        (with_record(name, 0x109, variable, 4, none), "unknown type 0x109"),
        (with_record(name, 0x204, variable, 4, none), "unknown type 0x204"),
        (with_record(name, 4, variable, 2, none), "2 bytes are no variable of type 0x4"),
        (with_record(name, 0x104, variable, 6, none), "6 bytes are no variable of type 0x104"),
        (with_record(name, 0x104, variable, 0, none), "0 bytes are no variable of type 0x104"),
        (with_record(name, 9, variable, 0, none), "0 bytes are no variable of type 0x9"),
        (
            with_record(name, 4, name, 4, none),
            "4 bytes at 0xbf800000 are not in the module's own memory",
        ),
        (
            with_record(name, 9, variable, 0xffff_ffff, none),
            "4294967295 bytes at 0xbf801000 are not in the module's own memory",
        ),
        (
            with_record(name, 4, (0, 0xc000_8000), 4, none),
            "4 bytes at 0xc0008000 are not in the module's own memory",
        ),
        (
            with_record(name, 0x104, variable, 4, (VARIABLES, 4094)),
            "4 bytes at 0xbf801ffe are not in the module's own memory",
        ),
    ] {
        assert_eq!(load(object).unwrap_err(), format!("section __param, record 0: {wanted}"));
    }
    // A count is of interest for an array only.
    assert!(load(with_record(name, 4, variable, 4, (0, 3))).is_ok());
    assert!(load(with_record(name, 0x104, variable, 16, (VARIABLES, 12))).is_ok());
}

#[test]
fn two_parameters_of_one_name_are_refused() {
    let mut object = with_record((NAMES, 0), 4, (VARIABLES, 0), 4, (0, 0));
    // A second section of the same name becomes part of the same table.
    let record = object.at(5).bytes.clone();
    assert_eq!(object.at(5).name, ".rel__param");
    let first = object.at(4).bytes.clone();
    let second = object.section("__param", PROGBITS, A, &first);
    let list = object.relocate(second, &[]);
    object.at(list).bytes = record;
    let error = load(&object.bytes(), &mut Kernel::default()).unwrap_err();
    assert_eq!(error, "section __param, record 1: another one has the name at 0xbf800000, too");
    // With another name it is another parameter.
    object.at(second).bytes[0] = 6;
    let module =
        load_with(&object.bytes(), &mut Kernel::default(), "first=1 second=2", CORE, INIT).unwrap();
    assert_eq!(module.word(module.data()), 2);
}

#[test]
fn a_parameter_is_shown_with_its_description_and_not_too_many_are() {
    let mut object = Builder::new();
    let mut info = b"parm=p1:what: it says\0parm=nobody:x\0parmtype=nameless\0".to_vec();
    for index in 0..200 {
        info.extend(format!("parmtype=p{index}:int\0").bytes());
    }
    object.at(1).bytes.extend(info);
    let file = object.bytes();
    let object = modules::Object::parse(&file).unwrap();
    let shown: Vec<_> = object.info().parameters().collect();
    assert_eq!(shown[..2], [("p0", "int", ""), ("p1", "int", "what: it says")]);
    // The one without a type counts as well.
    assert_eq!(shown.len(), modules::Info::MAX_PARAMETERS - 1);
    assert_eq!(object.info().count(), 2 + 3 + 200);
}
