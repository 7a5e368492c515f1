// Writes a line about an alert to the log of the engine.
package main

import (
	riposte "riposte.local/sdk"
	"riposte.local/sdk/oneshot"
)

type response struct{}

func (response) Run() error {
	description, found := riposte.Text("/rule/description")
	if !found {
		return riposte.Invalid("the alert has no rule.description")
	}
	riposte.Info("%s", description)
	return nil
}

func init() { oneshot.Export(response{}) }

func main() {}
