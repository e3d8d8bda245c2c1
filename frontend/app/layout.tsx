import type { Metadata, Viewport } from "next";
import "./globals.css";

export const metadata: Metadata = {
  title: "botcrypto4",
  description: "Order flow of perpetual futures, live.",
};

export const viewport: Viewport = {
  width: "device-width",
  initialScale: 1,
  colorScheme: "dark light",
};

const THEME = `try {
  document.documentElement.dataset.theme = localStorage.getItem("bc4.theme") === "light" ? "light" : "dark";
} catch (e) {}`;

export default function RootLayout({ children }: { children: React.ReactNode }): React.ReactElement {
  return (
    <html lang="en" data-theme="dark" suppressHydrationWarning>
      <head>
        {/* Before the first paint: nobody who chose light sees dark first. */}
        <script dangerouslySetInnerHTML={{ __html: THEME }} />
      </head>
      <body>{children}</body>
    </html>
  );
}
