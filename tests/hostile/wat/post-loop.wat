;; Computes without end when it is told that its answer was read.

;; -- items
(func (export "cabi_post_active-response:plugin/reversible@0.1.0#add") (param i32) (loop $on (br $on)))
