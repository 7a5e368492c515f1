// Blocks the source address of an alert until the time of the response is over.
package main

import (
	riposte "riposte.local/sdk"
	"riposte.local/sdk/reversible"
)

type response struct{}

func (response) Add() ([]byte, error) {
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

func (response) Delete(receipt []byte) error {
	address, err := riposte.Srcip()
	if err != nil {
		return err
	}
	_, err = riposte.Unblock(address)
	return err
}

func init() { reversible.Export(response{}) }

func main() {}
