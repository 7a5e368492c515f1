package main

import (
	"errors"
	"slices"
	"testing"

	riposte "riposte.local/sdk"
)

func TestItLogsTheDescriptionOfTheRule(t *testing.T) {
	riposte.AlertIs(`{"rule":{"description":"sshd: brute force"}}`)
	if err := (response{}).Run(); err != nil {
		t.Fatal(err)
	}
	if lines := riposte.Logged(); !slices.Equal(lines, []string{"info: sshd: brute force"}) {
		t.Fatal(lines)
	}
}

func TestAnAlertWithoutADescription(t *testing.T) {
	riposte.AlertIs(`{}`)
	var refused *riposte.Error
	if err := (response{}).Run(); !errors.As(err, &refused) || refused.Kind != "invalid-input" {
		t.Fatal(err)
	}
}
