// How an instrument's numbers are written.

export interface Units {
  price: number; // decimals of a price
  qty: number; // and of a quantity
  tick: number | null;
}
