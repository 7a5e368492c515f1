// Block blocks the source address of the alert.
package main

import (
	riposte "riposte.local/sdk"
	"riposte.local/sdk/reversible"
)

type block struct{}

func (block) Add() ([]byte, error) {
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

func (block) Delete(receipt []byte) error {
	address, err := riposte.Srcip()
	if err != nil {
		return err
	}
	_, err = riposte.Unblock(address)
	return err
}

func init() { reversible.Export(block{}) }

func main() {}
