;; Calls through a table what is of another type.

;; -- items
(type $other (func (param f64)))
(func $one)
(table $table 1 funcref)
(elem (i32.const 0) $one)

;; -- add
(call_indirect $table (type $other) (f64.const 1) (i32.const 0))
