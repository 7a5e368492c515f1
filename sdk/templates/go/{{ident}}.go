// {{type}} blocks the source address of an alert until the time of the response
// is over.
package main

import (
	riposte "riposte.local/sdk"
	"riposte.local/sdk/reversible"
)

type {{ident}} struct{}

func ({{ident}}) Add() ([]byte, error) {
	address, err := riposte.Srcip()
	if err != nil {
		return nil, err
	}
	if _, err := riposte.Block(address); err != nil {
		return nil, err
	}
	riposte.Info("blocked %s", address)
	return nil, nil
}

func ({{ident}}) Delete(receipt []byte) error {
	address, err := riposte.Srcip()
	if err != nil {
		return err
	}
	_, err = riposte.Unblock(address)
	return err
}

func init() { reversible.Export({{ident}}{}) }

func main() {}
