package main

import (
	"errors"
	"slices"
	"testing"

	riposte "riposte.local/sdk"
)

func TestItBlocksAndUnblocksTheSourceAddress(t *testing.T) {
	riposte.AlertIs(`{"data":{"srcip":"192.0.2.7"}}`)
	receipt, err := response{}.Add()
	if err != nil {
		t.Fatal(err)
	}
	if err := (response{}).Delete(receipt); err != nil {
		t.Fatal(err)
	}
	if calls := riposte.Calls(); !slices.Equal(calls, []string{"firewall.block 192.0.2.7", "firewall.unblock 192.0.2.7"}) {
		t.Fatal(calls)
	}
}

func TestAnAlertWithoutAnAddressIsNotForIt(t *testing.T) {
	riposte.AlertIs(`{"data":{"srcip":"-"}}`)
	_, err := response{}.Add()
	var refused *riposte.Error
	if !errors.As(err, &refused) || refused.Kind != "no-key" || len(riposte.Calls()) != 0 {
		t.Fatal(err)
	}
}
