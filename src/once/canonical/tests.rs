//! The canonical form, against the examples of RFC 8785 and where it differs from them.

use super::*;

fn canonical(text: &str) -> Result<CanonicalArgs, ArgsError> {
    let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
    canonical_args(&raw)
}

fn check(text: &str, expected: &str) {
    let args = canonical(text).unwrap();
    assert_eq!(String::from_utf8_lossy(args.as_bytes()), expected, "{text}");
}

/// The example of RFC 8785, 3.2.2 to 3.2.4.
// spec: ONCE-2
#[test]
fn the_example_of_the_rfc() {
    check(
        r#"{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}"#,
        "{\"literals\":[null,true,false],\
         \"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
         \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}",
    );
}

/// The example of RFC 8785, 3.2.3: names in the order of their UTF-16 code units.
// spec: ONCE-2
#[test]
fn names_are_in_the_order_of_their_utf16_units() {
    check(
        r#"{
  "\u20ac": "Euro Sign",
  "\r": "Carriage Return",
  "\ufb33": "Hebrew Letter Dalet With Dagesh",
  "1": "One",
  "\ud83d\ude00": "Emoji: Grinning Face",
  "\u0080": "Control",
  "\u00f6": "Latin Small Letter O With Diaeresis"
}"#,
        "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
         \"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\
         \"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}",
    );
    check(
        r#"{"1": {"f": {"f": "hi","F": 5} ,"\n": 56.0}, "10": { }, "": "empty", "a": [ ], "A": [{}]}"#,
        r#"{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"A":[{}],"a":[]}"#,
    );
}

/// RFC 8785, appendix B: the bits of a double, and how it is written.
// spec: ONCE-2
#[test]
fn the_numbers_of_the_rfc() {
    for (bits, expected) in [
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        // Seventeen significant digits are enough for any double; none is written as an integer.
        let written = format!("{:.16e}", f64::from_bits(bits));
        check(
            &format!(r#"{{"n":{written}}}"#),
            &format!(r#"{{"n":{expected}}}"#),
        );
    }
}

// spec: ONCE-2
#[test]
fn an_integer_is_never_changed_into_another() {
    for (written, expected) in [
        ("-0", "0"),
        ("-0.0", "0"),
        ("1.0", "1"),
        ("10E-1", "1"),
        ("-7", "-7"),
        ("999999999999999", "999999999999999"),
        ("-1000000000000000", "-1000000000000000"),
        // 2^53 and its neighbours: the odd one is no double.
        ("9007199254740992", "9007199254740992"),
        ("9007199254740993", "9007199254740993"),
        ("-9007199254740993", "-9007199254740993"),
        // The largest signed and unsigned integers of 64 bits.
        ("9223372036854775807", "9223372036854775807"),
        ("18446744073709551615", "18446744073709551615"),
        // 2^68 is a double, which is written with other digits.
        ("295147905179352825856", "295147905179352825856"),
        ("295147905179352830000", "295147905179352830000"),
        ("1000000000000000000000", "1e+21"),
        ("-1000000000000000000000", "-1e+21"),
        ("1500000000000000000000", "1.5e+21"),
        ("1000000000000000000001", "1000000000000000000001"),
        ("1000000000000000000000000", "1e+24"),
        ("1e400", "?"),
        ("-1e400", "?"),
        ("1e-400", "0"),
    ] {
        let found = match canonical(&format!(r#"{{"n":{written}}}"#)) {
            Ok(args) => String::from_utf8_lossy(args.as_bytes()).into_owned(),
            Err(error) => {
                assert_eq!(error, ArgsError::NumberTooLarge);
                r#"{"n":?}"#.to_owned()
            }
        };
        assert_eq!(found, format!(r#"{{"n":{expected}}}"#), "{written}");
    }
    let huge = "9".repeat(400);
    let error = canonical(&format!(r#"{{"n":{huge}}}"#)).unwrap_err();
    assert_eq!(error, ArgsError::NumberTooLarge);
}

// spec: ONCE-2
#[test]
fn what_has_two_readings_has_no_canonical_form() {
    for (text, expected) in [
        ("[]", ArgsError::NotAnObject),
        ("null", ArgsError::NotAnObject),
        (r#""{}""#, ArgsError::NotAnObject),
        (r#"{"a":1,"a":1}"#, ArgsError::DuplicateName),
        (r#"{"a":1,"b":2,"\u0061":1}"#, ArgsError::DuplicateName),
        (r#"{"x":[{"a":1,"a":2}]}"#, ArgsError::DuplicateName),
        (r#"{"run_id":1,"run_id":2}"#, ArgsError::DuplicateName),
        (r#"{"a":"\ud800"}"#, ArgsError::LoneSurrogate),
        (r#"{"a":"\ud800\u0041"}"#, ArgsError::LoneSurrogate),
        (r#"{"a":"\udc00\ud800"}"#, ArgsError::LoneSurrogate),
        (r#"{"\udfff":1}"#, ArgsError::LoneSurrogate),
        (r#"{"idempotency_key":"\ud800"}"#, ArgsError::LoneSurrogate),
    ] {
        assert_eq!(canonical(text).unwrap_err(), expected, "{text}");
    }
}

// spec: ONCE-2
#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    check(&nested(127), &nested(127));
    assert_eq!(canonical(&nested(128)).unwrap_err(), ArgsError::TooDeep);
    assert_eq!(
        canonical(&nested(1_000_000)).unwrap_err(),
        ArgsError::TooDeep
    );
}

// spec: ONCE-2
#[test]
fn the_run_is_left_out_and_only_at_the_top() {
    check(r#"{"run_id":"r1","to":"a"}"#, r#"{"to":"a"}"#);
    check(r#" { "run_id" : { "x" : [ ] } } "#, "{}");
    check(r#"{"\u0072un_id":1}"#, "{}");
    check(r#"{"a":{"run_id":1}}"#, r#"{"a":{"run_id":1}}"#);
    check(r#"{"a":[{"run_id":1}]}"#, r#"{"a":[{"run_id":1}]}"#);
}

// spec: ONCE-2
#[test]
fn an_agent_may_name_a_call_itself() {
    for (text, expected) in [
        (r#"{"idempotency_key":"order-7"}"#, Some("order-7")),
        (r#"{"idempotency_key" : "\u00e9\n"}"#, Some("é\n")),
        (r#"{"idempotency_key":""}"#, None),
        (r#"{"idempotency_key":7}"#, None),
        (r#"{"idempotency_key":null}"#, None),
        (r#"{"a":{"idempotency_key":"inner"}}"#, None),
        ("{}", None),
    ] {
        let args = canonical(text).unwrap();
        assert_eq!(args.idempotency_key(), expected, "{text}");
    }
    // It stays among the arguments.
    check(r#"{"idempotency_key" : "k"}"#, r#"{"idempotency_key":"k"}"#);
}

/// `printf '{"to":"é","n":1}' | sha256sum`, with the members in their order.
#[test]
fn a_log_sees_a_hash() {
    let args = canonical(r#"{"to":"\u00e9","n":1.0,"run_id":"r"}"#).unwrap();
    assert_eq!(args.args_hash(), "aa647e07");
}
