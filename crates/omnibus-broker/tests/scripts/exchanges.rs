//! Exchanges and what is bound to them, in the metadata shard.

use crate::script::{check, check_within};
use expect_test::expect;
use omnibus_broker::BrokerLimits;

#[test]
fn exchange_is_there_until_it_is_deleted_with_its_bindings() {
    check(&expect![[r#"
        0s exchange news                                           -> done
        0s exchange news                                           -> no: exchange sns news already exists
        0s bind news 1 q                                           -> done
        0s bind news 2 r                                           -> done
        0s bind olds 3 r                                           -> no: there is no exchange sns olds
        0s exchanges                                               -> news 1:q 2:r
        0s unbind news 1                                           -> done
        0s unbind news 1                                           -> no: the exchange has no such binding
        0s exchanges                                               -> news 2:r
        0s delete-exchange news                                    -> done
        0s delete-exchange news                                    -> no: there is no exchange sns news
        0s exchanges                                               ->
    "#]]);
}

#[test]
fn label_is_bound_once() {
    check(&expect![[r#"
        0s exchange news                                           -> done
        0s bind news 1 q                                           -> done
        0s bind news 2 q                                           -> no: the exchange has this binding already
        0s bind news 1 r                                           -> no: the exchange has this binding already
        0s unbind news 1                                           -> done
        0s bind news 2 q                                           -> done
        0s exchanges                                               -> news 2:q
    "#]]);
}

#[test]
fn change_of_something_else_than_expected_is_refused() {
    check(&expect![[r#"
        0s exchange news k=1                                       -> done
        0s alter-exchange news from=1 to=2                         -> done
        0s alter-exchange news from=1 to=3                         -> no: this configuration was changed by somebody else meanwhile
        0s alter-exchange news from=2 to=2                         -> done (unchanged)
        0s bind news 1 q                                           -> done
        0s alter-binding news 1 to=7                               -> done
        0s alter-binding news 1 to=8                               -> no: this configuration was changed by somebody else meanwhile
        0s alter-binding news 1 from=7 to=7                        -> done (unchanged)
        0s alter-binding news 2 from=7                             -> no: the exchange has no such binding
        0s alter-binding olds 1 from=7                             -> no: there is no exchange sns olds
        0s exchanges                                               -> news=2 1:q=7
    "#]]);
}

#[test]
fn exchanges_and_bindings_are_bounded() {
    let limits =
        BrokerLimits { exchanges_max: 2, bindings_max: 3, exchange_bindings_max: 2, ..BrokerLimits::default() };
    check_within(
        limits,
        &expect![[r#"
            0s exchange a                                              -> done
            0s exchange b                                              -> done
            0s exchange c                                              -> no: the broker holds 2 exchanges, the most it may
            0s bind a 1 q                                              -> done
            0s bind a 2 r                                              -> done
            0s bind a 3 s                                              -> no: the broker holds 2 bindings of one exchange, the most it may
            0s bind b 4 q                                              -> done
            0s bind b 5 r                                              -> no: the broker holds 3 bindings, the most it may
            0s delete-exchange a                                       -> done
            0s bind b 5 r                                              -> done
        "#]],
    );
}
